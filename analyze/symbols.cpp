// SPDX-License-Identifier: Apache-2.0
#include "analyze/symbols.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace latchkey {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxNames = 1u << 28;

/// An open ELF file.
class ElfFile {
  public:
    explicit ElfFile(const fs::path& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        elf_version(EV_CURRENT);
        if (fd_ >= 0) elf_ = elf_begin(fd_, ELF_C_READ_MMAP, nullptr);
    }
    ~ElfFile() {
        elf_end(elf_);
        if (fd_ >= 0) close(fd_);
    }
    ElfFile(const ElfFile&) = delete;
    ElfFile& operator=(const ElfFile&) = delete;
    Elf* get() const { return elf_; }
    explicit operator bool() const { return elf_ != nullptr && elf_kind(elf_) == ELF_K_ELF; }

  private:
    int fd_;
    Elf* elf_ = nullptr;
};

std::string hex(const unsigned char* bytes, std::size_t count) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        text.push_back(kDigits[bytes[i] >> 4]);
        text.push_back(kDigits[bytes[i] & 15]);
    }
    return text;
}

std::string build_id_of(Elf* elf) {
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header;
        Elf_Data* data = nullptr;
        if (gelf_getshdr(section, &header) == nullptr || header.sh_type != SHT_NOTE) continue;
        if ((data = elf_getdata(section, nullptr)) == nullptr) continue;
        GElf_Nhdr note;
        std::size_t name = 0, description = 0;
        for (std::size_t at = 0; (at = gelf_getnote(data, at, &note, &name, &description)) > 0;)
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4)
                return hex(static_cast<const unsigned char*>(data->d_buf) + description, note.n_descsz);
    }
    return {};
}

bool has_section(Elf* elf, std::string_view wanted) {
    std::size_t names = 0;
    if (elf_getshdrstrndx(elf, &names) != 0) return false;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS) continue;
        const char* name = elf_strptr(elf, names, header.sh_name);
        if (name != nullptr && name == wanted) return true;
    }
    return false;
}

/// Names for one place: a global symbol before a local one, fewer leading underscores before more.
std::uint8_t rank_of(unsigned char binding, const char* name) {
    std::uint8_t underscores = 0;
    while (name[underscores] == '_' && underscores < 8) ++underscores;
    const bool is_mangled = name[0] == '_' && name[1] == 'Z';
    return static_cast<std::uint8_t>((binding == STB_LOCAL ? 16 : 0) + (is_mangled ? 0 : underscores));
}

}  // namespace

ElfSymbols::ElfSymbols(const fs::path& path, const std::string& build_id) {
    match_ = add_file(path, build_id);
    if (build_id.size() > 2) {
        const fs::path debug =
            fs::path("/usr/lib/debug/.build-id") / build_id.substr(0, 2) / (build_id.substr(2) + ".debug");
        add_file(debug, build_id);
    }
    sort();
}

/// Adds the symbols of an ELF file. False: not readable or not the one that ran.
bool ElfSymbols::add_file(const fs::path& path, const std::string& build_id) {
    const ElfFile file(path);
    if (!file || (!build_id.empty() && build_id_of(file.get()) != build_id)) return false;
    if (has_section(file.get(), ".debug_info")) debug_path_ = path;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.get(), section)) != nullptr;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == nullptr || header.sh_entsize == 0) continue;
        if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) continue;
        Elf_Data* data = elf_getdata(section, nullptr);
        if (data == nullptr) continue;
        for (std::size_t i = 0; i < header.sh_size / header.sh_entsize; ++i) {
            GElf_Sym symbol;
            if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr || symbol.st_shndx == SHN_UNDEF)
                continue;
            const auto type = GELF_ST_TYPE(symbol.st_info);
            const bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
            if (!is_function && type != STT_OBJECT) continue;
            const char* name = elf_strptr(file.get(), header.sh_link, symbol.st_name);
            if (name == nullptr || *name == '\0' || names_.size() > kMaxNames) continue;
            auto& list = is_function ? functions_ : objects_;
            list.push_back({symbol.st_value, symbol.st_value + symbol.st_size,
                            static_cast<std::uint32_t>(names_.size()), is_function,
                            rank_of(GELF_ST_BIND(symbol.st_info), name)});
            names_.append(name).push_back('\0');
        }
    }
    return true;
}

void ElfSymbols::sort() {
    for (std::vector<Symbol>* list : {&functions_, &objects_}) {
        std::sort(list->begin(), list->end(), [this](const Symbol& a, const Symbol& b) {
            if (a.begin != b.begin) return a.begin < b.begin;
            if (a.end != b.end) return a.end > b.end;
            if (a.rank != b.rank) return a.rank < b.rank;
            return std::string_view(name(a)) < std::string_view(name(b));
        });
        const auto same = [](const Symbol& a, const Symbol& b) { return a.begin == b.begin; };
        list->erase(std::unique(list->begin(), list->end(), same), list->end());
    }
}

const ElfSymbols::Symbol* ElfSymbols::find(const std::vector<Symbol>& symbols, std::uint64_t address) {
    auto next =
        std::upper_bound(symbols.begin(), symbols.end(), address,
                         [](std::uint64_t wanted, const Symbol& symbol) { return wanted < symbol.begin; });
    // An enclosing symbol may begin before a smaller one inside it: look back a little.
    for (int i = 0; i < 4 && next != symbols.begin(); ++i)
        if (--next; address < next->end) return &*next;
    return nullptr;
}

namespace {

/// Copies the text without what stands in <> or (), but keeps operators and lambdas recognisable.
std::string without_arguments(std::string_view text) {
    std::string out;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string_view rest = text.substr(i);
        const bool is_operator = depth == 0 && rest.starts_with("operator") &&
                                 (i == 0 || text[i - 1] == ':' || text[i - 1] == ' ');
        if (is_operator) {
            std::size_t length = 8;
            if (rest.substr(8).starts_with("()")) length = 10;
            while (length < rest.size() &&
                   std::string_view("<>=!+-*/%&|^~,").find(rest[length]) != std::string_view::npos)
                ++length;
            out += rest.substr(0, length);
            i += length - 1;
        } else if (rest.starts_with("(anonymous namespace)::")) {
            i += 22;
        } else if (text[i] == '<' || text[i] == '(') {
            ++depth;
        } else if (text[i] == '>' || text[i] == ')') {
            --depth;
        } else if (depth == 0) {
            out.push_back(text[i]);
        }
    }
    return out;
}

}  // namespace

std::string short_name(const std::string& linker_name) {
    // Only what is mangled: the demangler takes "f" for the type float.
    if (!linker_name.starts_with("_Z")) return linker_name.substr(0, linker_name.find('@'));
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> demangled(
        abi::__cxa_demangle(linker_name.c_str(), nullptr, nullptr, &status), &std::free);
    if (status != 0 || demangled == nullptr) return linker_name.substr(0, linker_name.find('@'));
    std::string name = without_arguments(demangled.get());
    for (const char* suffix : {" const", " [clone", "[abi:"})
        if (const std::size_t at = name.find(suffix); at != std::string::npos) name.erase(at);
    // A template function's return type stands in front.
    const std::size_t blank = name.rfind(' ');
    if (blank != std::string::npos && name.find("operator") == std::string::npos) name.erase(0, blank + 1);
    return name;
}

}  // namespace latchkey
