/* A QR code in the terminal, and the page's link for phones in the local network: see app.h. */
#include "app.h"
#include "text.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 2 /* modules of white around; phones want it */

static bool dark(const QRcode *code, int x, int y) {
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) return false;
    return code->data[y * code->width + x] & 1;
}

int qr_print(FILE *out, const char *text) {
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    if (!code) return -1;
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        fputs("\x1b[30;107m", out);
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            bool top = dark(code, x, y), bottom = dark(code, x, y + 1);
            fputs(top && bottom ? "█" : top ? "▀" : bottom ? "▄" : " ", out);
        }
        fputs("\x1b[0m\n", out);
    }
    QRcode_free(code);
    return 0;
}

static bool lan_address(char *text, size_t size) {
    struct ifaddrs *list = NULL;
    bool found = false;
    if (getifaddrs(&list) < 0) return false;
    for (struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || (at->ifa_flags & IFF_LOOPBACK) || !(at->ifa_flags & IFF_UP)) continue;
        struct sockaddr_in *address = (struct sockaddr_in *)(void *)at->ifa_addr;
        found = inet_ntop(AF_INET, &address->sin_addr, text, (socklen_t)size) != NULL;
    }
    freeifaddrs(list);
    return found;
}

char *link_for_lan(const char *link) {
    char address[INET_ADDRSTRLEN];
    const char *host = strstr(link, "://");
    if (!host || !lan_address(address, sizeof address)) return NULL;
    host += 3;
    const char *slash = strchr(host, '/'), *colon = strchr(host, ':');
    const char *rest = colon && (!slash || colon < slash) ? colon : slash;
    return text_print("%.*s%s%s", (int)(host - link), link, address, rest ? rest : "");
}
