// The kernel's part in the way of an event: a client connects by TCP, and for each datagram it gets so many bytes.
//
//   echo ADDRESS UDP_PORT TCP_PORT BYTES

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int bound(const char *address, const char *port, int kind) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int one = 1, made = socket(AF_INET, kind, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (made < 0 || bind(made, (struct sockaddr *)&at, sizeof at) < 0) {
        perror("bind");
        exit(1);
    }
    return made;
}

int main(int count, char **given) {
    static char in[65536], out[65536];
    if (count != 5 || atoi(given[4]) < 1 || atoi(given[4]) > (int)sizeof out) {
        fprintf(stderr, "echo ADDRESS UDP_PORT TCP_PORT BYTES\n");
        return 2;
    }
    int one = 1, port = bound(given[1], given[3], SOCK_STREAM);
    // Whoever waits for the UDP port finds the TCP port as well.
    if (listen(port, 1) < 0) {
        perror("listen");
        return 1;
    }
    int messages = bound(given[1], given[2], SOCK_DGRAM);
    int client = accept(port, NULL, NULL);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (recv(messages, in, sizeof in, 0) >= 0)
        if (send(client, out, atoi(given[4]), MSG_NOSIGNAL) < 0)
            return 0;
    return 1;
}
