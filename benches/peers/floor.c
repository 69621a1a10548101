/*
 * The kernel's own price of a load: the same datagrams come and go, and nothing is read that need not be.
 *
 *   floor register ADDRESS PORT                  every request comes back as its own 200
 *   floor digest ADDRESS PORT                    the same, with 401 for those without credentials
 *   floor relay ADDRESS PORT ADDRESS PORT ADDRESS PORT
 *                                                what comes from the second address goes to the third, all else to
 *                                                the second: a call is six datagrams in and six out
 *
 * One socket, one blocking call for each datagram: with what waits drained by recvmmsg it costs the same here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { DATAGRAM_MAX = 65535, BUFFER_LEN = 8 << 20 };

static const char GOOD[] = "SIP/2.0 200 OK\r\n";
static const char CHALLENGE[] = "SIP/2.0 401 Unauthorized\r\n"
				"WWW-Authenticate: Digest realm=\"bench.example\", nonce=\"floor\", qop=\"auth\"\r\n";

static struct sockaddr_in address(char *const *words)
{
	struct sockaddr_in found = { .sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(words[1])) };
	if (inet_pton(AF_INET, words[0], &found.sin_addr) != 1) {
		fprintf(stderr, "floor: %s is no address\n", words[0]);
		exit(2);
	}
	return found;
}

static int open_socket(const struct sockaddr_in *at)
{
	int own = socket(AF_INET, SOCK_DGRAM, 0), len = BUFFER_LEN;
	/* The kernel may grant less. */
	setsockopt(own, SOL_SOCKET, SO_RCVBUF, &len, sizeof len);
	setsockopt(own, SOL_SOCKET, SO_SNDBUF, &len, sizeof len);
	if (own < 0 || bind(own, (const struct sockaddr *)at, sizeof *at) != 0) {
		perror("floor");
		exit(1);
	}
	return own;
}

/* Everything behind the request line, under another first line. */
static void answer(int own, const char *line, size_t len, char *text, size_t text_len, struct sockaddr_in *to)
{
	char *end = memchr(text, '\n', text_len);
	if (!end)
		return;
	struct iovec parts[2] = { { (void *)line, len }, { end + 1, text_len - (size_t)(end + 1 - text) } };
	struct msghdr message = { .msg_name = to, .msg_namelen = sizeof *to, .msg_iov = parts, .msg_iovlen = 2 };
	sendmsg(own, &message, 0);
}

int main(int count, char **words)
{
	static char text[DATAGRAM_MAX];
	int is_relay = count == 8 && !strcmp(words[1], "relay");
	int is_digest = count == 4 && !strcmp(words[1], "digest");
	if (!is_relay && !is_digest && (count != 4 || strcmp(words[1], "register"))) {
		fprintf(stderr, "floor register|digest ADDRESS PORT, floor relay ADDRESS PORT ADDRESS PORT ADDRESS PORT\n");
		return 2;
	}
	struct sockaddr_in at = address(words + 2), called = at, caller = at, from;
	if (is_relay) {
		called = address(words + 4);
		caller = address(words + 6);
	}
	int own = open_socket(&at);
	for (;;) {
		socklen_t from_len = sizeof from;
		ssize_t len = recvfrom(own, text, sizeof text, 0, (struct sockaddr *)&from, &from_len);
		if (len <= 0)
			continue;
		size_t text_len = (size_t)len;
		if (is_relay) {
			int is_back = from.sin_port == called.sin_port && from.sin_addr.s_addr == called.sin_addr.s_addr;
			sendto(own, text, text_len, 0, (struct sockaddr *)(is_back ? &caller : &called), sizeof called);
		} else if (is_digest && !memmem(text, text_len, "\r\nAuthorization:", 16)) {
			answer(own, CHALLENGE, sizeof CHALLENGE - 1, text, text_len, &from);
		} else {
			answer(own, GOOD, sizeof GOOD - 1, text, text_len, &from);
		}
	}
}
