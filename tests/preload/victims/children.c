// SPDX-License-Identifier: Apache-2.0
//
// Other ways to a child: vfork and exec, posix_spawn, popen, system, _Fork, clone; each runs this file
// again or a shell, and the status arrives.
#include "victim.h"
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>

extern char** environ;

static pid_t vfork_exec(const char* program, char* self) {
    pid_t child = vfork();
    if (child == 0) {
        execl(program, self, "11", (char*)NULL);
        _exit(12);
    }
    return child;
}

static void check_vfork(char* self) {
    for (int i = 0; i < 10; ++i) CHECK_EQ(wait_child(vfork_exec("/proc/self/exe", self)), 11);
    CHECK_EQ(wait_child(vfork_exec("/nonexistent/program", self)), 12);
    say("vfork and exec");
}

static void check_spawn(char* self) {
    pid_t child;
    char* arguments[] = {self, "13", NULL};
    posix_spawn_file_actions_t actions;
    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    CHECK_EQ(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    CHECK_EQ(wait_child(child), 13);
    CHECK_EQ(posix_spawn(&child, "/nonexistent/program", NULL, NULL, arguments, environ), ENOENT);
    posix_spawn_file_actions_destroy(&actions);
    say("posix_spawn");
}

static void check_shell(void) {
    char line[64] = "";
    FILE* pipe = popen("echo from a shell", "r");
    CHECK(fgets(line, sizeof line, pipe) != NULL);
    CHECK_EQ(WEXITSTATUS(pclose(pipe)), 0);
    printf("popen: %s", line);
    fflush(stdout);
    CHECK_EQ(WEXITSTATUS(system("exit 14")), 14);
    CHECK_EQ(WEXITSTATUS(system("true | (exit 15)")), 15);
    say("system");
}

static int child_of_clone(void* unused) {
    (void)unused;
    _exit(17);
}

static void check_raw(void) {
    static char stack[65536] __attribute__((aligned(16)));
    pid_t child = _Fork();
    if (child == 0) _exit(16);
    CHECK_EQ(wait_child(child), 16);
    CHECK_EQ(wait_child(clone(child_of_clone, stack + sizeof stack, SIGCHLD, NULL)), 17);
    child = (pid_t)syscall(SYS_fork);
    if (child == 0) _exit(18);
    CHECK_EQ(wait_child(child), 18);
    say("_Fork, clone, raw fork");
}

int main(int count, char** arguments) {
    if (count == 2) return atoi(arguments[1]);
    check_vfork(arguments[0]);
    check_spawn(arguments[0]);
    check_shell();
    check_raw();
    fflush(stdout);
    succeed();
    execl("/proc/self/exe", arguments[0], "0", (char*)NULL);
    return 97;
}
