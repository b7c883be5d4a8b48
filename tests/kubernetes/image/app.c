// Programs of the tests' images, chosen by the first argument.
//   pause          the sandbox container of a pod: sleeps, reaps its children, ends on a signal
//   counter PORT   answers connection after connection with how many there were, from 1
//   hungry MIB     takes so much memory and keeps it
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) { _exit(0); }
static void reap(int signal) {
    while (waitpid(-1, 0, WNOHANG) > 0) {
    }
}

static int rest(void) {
    for (;;) pause();
    return 0;
}

static int count(int port) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 128)) {
        perror("listen");
        return 1;
    }
    for (int number = 1;; number++) {
        int connection = accept(listener, 0, 0);
        if (connection < 0) {
            perror("accept");
            return 1;
        }
        dprintf(connection, "%d", number);
        close(connection);
    }
}

static int take(size_t mebibytes) {
    // Volatile, so that writing it is not left out for nobody reads it.
    volatile char *memory = malloc(mebibytes << 20);
    if (!memory) {
        perror("malloc");
        return 1;
    }
    for (size_t at = 0; at < mebibytes << 20; at += 1024) memory[at] = 1;
    return rest();
}

int main(int count_of_arguments, char **arguments) {
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGCHLD, reap);
    const char *what = count_of_arguments > 1 ? arguments[1] : "";
    int number = count_of_arguments > 2 ? atoi(arguments[2]) : 0;
    if (!strcmp(what, "pause")) return rest();
    if (!strcmp(what, "counter")) return count(number);
    if (!strcmp(what, "hungry")) return take(number);
    fprintf(stderr, "there is no program %s\n", what);
    return 2;
}
