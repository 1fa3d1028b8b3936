// SPDX-License-Identifier: Apache-2.0
#include "analyze/tsdl.h"

#include <cctype>
#include <charconv>

namespace latchkey::tsdl {

namespace {

constexpr int kMaxDepth = 12;
constexpr std::uint32_t kMaxBits = 1024;
constexpr std::uint32_t kMaxArray = 1u << 20;

/// Splits the text into words, quoted strings and punctuation. An empty token is the end.
class Lexer {
  public:
    explicit Lexer(std::string_view text) : rest_(text) { advance(); }
    const std::string& token() const { return token_; }
    bool at_end() const { return token_.empty() && !quoted_; }
    void stop() {
        rest_ = {};
        token_.clear();
        quoted_ = false;
    }

    void advance() {
        token_.clear();
        quoted_ = false;
        skip_blanks();
        if (rest_.empty()) return;
        if (rest_[0] == '"') return quoted();
        std::size_t n = 0;
        while (n < rest_.size() && is_word(rest_[n])) ++n;
        if (n == 0) n = rest_.starts_with(":=") ? 2 : 1;
        if (rest_.starts_with("...")) n = 3;
        take(n);
    }

  private:
    static bool is_word(char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
    }

    void take(std::size_t n) {
        token_ = rest_.substr(0, n);
        rest_.remove_prefix(n);
    }

    void quoted() {
        quoted_ = true;
        std::size_t end = 1;
        while (end < rest_.size() && rest_[end] != '"') {
            if (rest_[end] == '\\' && end + 1 < rest_.size()) ++end;
            token_.push_back(rest_[end++]);
        }
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
    }

    void skip_blanks() {
        for (;;) {
            while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0])))
                rest_.remove_prefix(1);
            const bool block = rest_.starts_with("/*");
            if (!block && !rest_.starts_with("//")) return;
            const std::size_t end = rest_.find(block ? "*/" : "\n");
            rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + (block ? 2 : 1));
        }
    }

    std::string_view rest_;
    std::string token_;
    bool quoted_ = false;
};

class Reader {
  public:
    explicit Reader(std::string_view text) : lexer_(text) {}

    Document run() {
        while (!lexer_.at_end()) {
            top_level();
            if (!document_.problem.empty()) break;
        }
        return std::move(document_);
    }

  private:
    void top_level() {
        const std::string word = take();
        if (word == "typealias") return typealias();
        if (word == "struct") return named_struct();
        Block block;
        block.kind = word;
        body(block);
        if (document_.problem.empty()) document_.blocks.push_back(std::move(block));
    }

    void typealias() {
        Type type = read_type(0);
        expect(":=");
        aliases_[words_before_end()] = std::move(type);
        expect(";");
    }

    void named_struct() {
        const std::string name = take();
        structs_[name] = struct_body(0);
        expect(";");
    }

    /// `{ name = value; name := type; ... };`
    void body(Block& block) {
        expect("{");
        while (!lexer_.at_end() && lexer_.token() != "}") {
            const std::string name = take();
            if (accept(":=")) {
                block.types[name] = read_type(0);
            } else {
                expect("=");
                block.attributes[name] = take();
            }
            expect(";");
        }
        expect("}");
        expect(";");
    }

    Type read_type(int depth) {
        if (depth > kMaxDepth) return fail("types nested too deeply");
        const std::string word = take();
        if (word == "integer") return integer();
        if (word == "floating_point") return floating_point();
        if (word == "string") return text();
        if (word == "enum") return enumeration(depth);
        if (word == "variant") return variant(depth);
        if (word == "struct") return structure(depth);
        return named(word);
    }

    Type integer() {
        Type type;
        type.kind = Kind::integer;
        for (const auto& [name, value] : attributes()) {
            if (name == "size") type.bits = number(value, kMaxBits);
            if (name == "align") type.align = number(value, kMaxBits);
            if (name == "signed") type.is_signed = value == "1" || value == "true";
            if (name == "byte_order") type.big_endian = value == "be" || value == "network";
        }
        return type;
    }

    Type floating_point() {
        Type type;
        type.kind = Kind::opaque;
        for (const auto& [name, value] : attributes()) {
            if (name == "exp_dig" || name == "mant_dig") type.bits += number(value, kMaxBits);
            if (name == "align") type.align = number(value, kMaxBits);
        }
        return type;
    }

    Type text() {
        if (lexer_.token() == "{") attributes();
        Type type;
        type.kind = Kind::text;
        return type;
    }

    Type enumeration(int depth) {
        if (lexer_.token() != ":" && lexer_.token() != "{") take();
        Type type;
        if (accept(":")) type = read_type(depth + 1);
        expect("{");
        while (!lexer_.at_end() && lexer_.token() != "}") lexer_.advance();
        expect("}");
        return type;
    }

    Type variant(int depth) {
        if (accept("<")) {
            take();
            expect(">");
        }
        Type type = fields(depth);
        type.kind = Kind::variant;
        return type;
    }

    Type structure(int depth) {
        if (lexer_.token() == "{") return struct_body(depth);
        const auto found = structs_.find(take());
        return found == structs_.end() ? fail("unknown structure") : found->second;
    }

    Type struct_body(int depth) {
        Type type = fields(depth);
        type.kind = Kind::structure;
        if (accept("align")) {
            expect("(");
            type.align = number(take(), kMaxBits);
            expect(")");
        }
        return type;
    }

    /// An alias of one or more words; the last word before ; or [ is the field's name and is not read.
    Type named(std::string name) {
        while (!aliases_.contains(name)) {
            if (lexer_.at_end() || lexer_.token() == ";" || lexer_.token() == "[")
                return fail("unknown type " + name);
            name.push_back(' ');
            name += take();
        }
        return aliases_[name];
    }

    Type fields(int depth) {
        Type type;
        expect("{");
        while (!lexer_.at_end() && lexer_.token() != "}") {
            Field field;
            field.type = read_type(depth + 1);
            field.name = take();
            if (accept("[")) array_length(field);
            expect(";");
            type.fields.push_back(std::move(field));
        }
        expect("}");
        return type;
    }

    void array_length(Field& field) {
        field.is_array = true;
        const std::string length = take();
        if (!length.empty() && std::isdigit(static_cast<unsigned char>(length[0])))
            field.length = number(length, kMaxArray);
        else
            field.length_field = length;
        expect("]");
    }

    std::map<std::string, std::string> attributes() {
        Block block;
        expect("{");
        while (!lexer_.at_end() && lexer_.token() != "}") {
            const std::string name = take();
            expect("=");
            block.attributes[name] = take();
            expect(";");
        }
        expect("}");
        return block.attributes;
    }

    std::string words_before_end() {
        std::string words = take();
        while (!lexer_.at_end() && lexer_.token() != ";") {
            words.push_back(' ');
            words += take();
        }
        return words;
    }

    std::uint32_t number(const std::string& word, std::uint32_t limit) {
        std::uint32_t value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (error != std::errc{} || end != word.data() + word.size() || value > limit)
            fail("bad number " + word);
        return value;
    }

    std::string take() {
        std::string word = lexer_.token();
        lexer_.advance();
        return word;
    }

    bool accept(std::string_view word) {
        if (lexer_.token() != word) return false;
        lexer_.advance();
        return true;
    }

    void expect(std::string_view word) {
        if (!accept(word)) fail("expected " + std::string(word) + ", found '" + lexer_.token() + "'");
    }

    Type fail(const std::string& why) {
        if (document_.problem.empty()) document_.problem = why;
        lexer_.stop();
        return {};
    }

    Lexer lexer_;
    Document document_;
    std::map<std::string, Type> aliases_;
    std::map<std::string, Type> structs_;
};

}  // namespace

Document read(std::string_view text) {
    return Reader(text).run();
}

}  // namespace latchkey::tsdl
