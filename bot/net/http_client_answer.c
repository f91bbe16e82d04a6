/*
 * What is told of a call that ended. "Not sent" is said only where libcurl never came to the point of writing the
 * request; whatever broke after that is uncertain until a whole answer stands. See http_client.h.
 */
#include "http_client_state.h"
#include <errno.h>
#include <stdio.h>

static const struct {
    CURLcode code;
    const char *why;
} reasons[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "the server's name was not found"},
    {CURLE_COULDNT_RESOLVE_PROXY, "the proxy's name was not found"},
    {CURLE_COULDNT_CONNECT, "no connection"},
    {CURLE_PROXY, "the proxy refused"},
    {CURLE_SSL_CONNECT_ERROR, "no encrypted connection could be made"},
    {CURLE_PEER_FAILED_VERIFICATION, "the server's certificate is not one to trust"},
    {CURLE_SSL_CACERT_BADFILE, "the file of trusted certificates (ca_file) cannot be read"},
    {CURLE_SSL_CERTPROBLEM, "no encrypted connection could be made"},
    {CURLE_SSL_CIPHER, "no encrypted connection could be made"},
    {CURLE_SSL_ENGINE_INITFAILED, "no encrypted connection could be made"},
    {CURLE_GOT_NOTHING, "the connection was closed without an answer"},
    {CURLE_PARTIAL_FILE, "the answer broke off"},
    {CURLE_RECV_ERROR, "the connection broke"},
    {CURLE_SEND_ERROR, "the connection broke"},
    {CURLE_UNSUPPORTED_PROTOCOL, "what came back is not HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, "what came back is not HTTP"},
    {CURLE_BAD_CONTENT_ENCODING, "the answer cannot be read"},
    /* libcurl has one code for both. */
    {CURLE_OUT_OF_MEMORY, "out of memory, or a header line of the answer without end"},
};

static const char *reason(const struct http_call *call, CURLcode code, char *why, size_t why_size) {
    long error = 0;
    if (call->is_broken) return "the connection broke before an answer came";
    if (call->is_header_too_large) return "the answer's header is too long";
    if (call->is_out_of_memory) return "out of memory";
    if (code == CURLE_OPERATION_TIMEDOUT) return call->sends ? "no answer in time" : "no connection in time";
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &error);
    if (code == CURLE_COULDNT_CONNECT && error == ECONNREFUSED) return "connection refused";
    if (code == CURLE_COULDNT_CONNECT && (error == ENETUNREACH || error == EHOSTUNREACH)) return "the network is down";
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].code == code) return reasons[i].why;
    snprintf(why, why_size, "the request failed (libcurl's code %d)", (int)code);
    return why;
}

static const char *header_of(const struct http_call *call) {
    struct curl_header *header;
    if (!call->header || curl_easy_header(call->easy, call->header, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

/* A refusal of a large body comes, whole, while it is still being sent, and the connection breaks behind it: libcurl
 * reports the break; the answer stands all the same. */
static bool is_whole(const struct http_call *call, long status) {
    curl_off_t length = -1;
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return call->has_header && status >= 200 && length >= 0 && (curl_off_t)call->size == length;
}

void http_call_conclude(struct http_call *call, CURLcode code, struct http_answer *ret_answer, char *why,
                        size_t why_size) {
    struct http_answer answer = {.body = ""};
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.too_large = code == CURLE_WRITE_ERROR && call->is_too_large;
    if ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && is_whole(call, status)) code = CURLE_OK;
    /* An interim answer (1xx) is none, nor is a header without its end. */
    if ((code == CURLE_OK || answer.too_large) && (status < 200 || !call->has_header)) {
        code = status ? CURLE_PARTIAL_FILE : CURLE_WEIRD_SERVER_REPLY;
        answer.too_large = false;
    }
    if (code != CURLE_OK && !answer.too_large) {
        answer.reached = call->sends > 0 ? HTTP_UNCERTAIN : HTTP_NOT_SENT;
        answer.timed_out = code == CURLE_OPERATION_TIMEDOUT;
        answer.why = reason(call, code, why, why_size);
        *ret_answer = answer;
        return;
    }
    answer.reached = HTTP_ANSWERED;
    answer.status = (int)status;
    answer.header = header_of(call);
    if (!answer.too_large && call->size) {
        answer.body = call->body;
        answer.size = call->size;
    }
    if (answer.too_large)
        answer.why = "the answer is too large";
    else if (status >= 200 && status < 300)
        answer.why = "";
    else {
        snprintf(why, why_size, "HTTP %ld", status);
        answer.why = why;
    }
    *ret_answer = answer;
}
