/* Documents, errors and cancellers: what needs no engine. Runs under valgrind too. */
#include "check.h"
#include <math.h>

int main(void)
{
    barque_doc *doc = barque_doc_new();
    barque_doc *parsed = NULL;
    barque_cancel *cancel = NULL;
    barque_error *err = NULL;
    char *text = NULL;
    int64_t number = 7;
    int yes = 7;
    size_t count = 0;
    double real = 0;

    CHECK_STR(barque_doc_json(doc), "{}");
    barque_string_free((char *)(void *)doc); /* not its free either */
    CHECK_STR(barque_doc_json(doc), "{}");
    CHECK(barque_doc_set_str(doc, "Image", "a \"b\"\n\xc3\xa9", NULL) == BARQUE_OK);
    CHECK(barque_doc_set_int(doc, "HostConfig.Memory", 256 << 20, NULL) == BARQUE_OK);
    CHECK(barque_doc_set_int(doc, "Low", INT64_MIN, NULL) == BARQUE_OK);
    CHECK(barque_doc_set_bool(doc, "Tty", 3, NULL) == BARQUE_OK);
    CHECK(barque_doc_set_null(doc, "None", NULL) == BARQUE_OK);
    CHECK(barque_doc_append_str(doc, "Cmd", "echo", NULL) == BARQUE_OK);
    CHECK(barque_doc_append_str(doc, "Cmd", "", NULL) == BARQUE_OK);
    CHECK(barque_doc_set_str(doc, "/Labels/com.example~1a", "x", NULL) == BARQUE_OK);
    CHECK(barque_doc_set_json(doc, "HostConfig.RestartPolicy", "{\"Name\":\"no\"}", NULL) == BARQUE_OK);
    CHECK_STR(barque_doc_json(doc),
              "{\"Cmd\":[\"echo\",\"\"],\"HostConfig\":{\"Memory\":268435456,\"RestartPolicy\":{\"Name\":\"no\"}},"
              "\"Image\":\"a \\\"b\\\"\\n\xc3\xa9\",\"Labels\":{\"com.example/a\":\"x\"},\"Low\":-9223372036854775808,"
              "\"None\":null,\"Tty\":true}");

    CHECK(barque_doc_parse(barque_doc_json(doc), &parsed, NULL) == BARQUE_OK);
    CHECK(barque_doc_get_str(parsed, "HostConfig.RestartPolicy.Name", &text, NULL) == BARQUE_OK);
    CHECK_STR(text, "no");
    barque_string_free(text);
    CHECK(barque_doc_get_int(parsed, "Low", &number, NULL) == BARQUE_OK && number == INT64_MIN);
    CHECK(barque_doc_get_bool(parsed, "Tty", &yes, NULL) == BARQUE_OK && yes == 1);
    CHECK(barque_doc_get_double(parsed, "HostConfig.Memory", &real, NULL) == BARQUE_OK && real == 268435456.0);
    CHECK(barque_doc_count(parsed, "Cmd", &count, NULL) == BARQUE_OK && count == 2);
    CHECK(barque_doc_count(parsed, "", &count, NULL) == BARQUE_OK && count == 7);
    CHECK(barque_doc_key(parsed, "Labels", 0, &text, NULL) == BARQUE_OK);
    CHECK_STR(text, "com.example/a");
    free(text); /* not its free, and harmless */
    CHECK(barque_doc_key(parsed, "Labels", SIZE_MAX, &text, NULL) == BARQUE_ERR_NOT_FOUND);
    CHECK(barque_doc_type(parsed, "Cmd") == BARQUE_TYPE_ARRAY);
    CHECK(barque_doc_type(parsed, "HostConfig") == BARQUE_TYPE_OBJECT);
    CHECK(barque_doc_type(parsed, "None") == BARQUE_TYPE_NULL);
    CHECK(barque_doc_type(parsed, "Missing.Field") == BARQUE_TYPE_NULL);
    CHECK(barque_doc_remove(parsed, "Cmd.0", NULL) == BARQUE_OK);
    CHECK(barque_doc_remove(parsed, "Cmd.7", NULL) == BARQUE_ERR_NOT_FOUND);

    /* On failure the outputs are as they were and the error says what was wrong. */
    number = 42;
    CHECK(barque_doc_get_int(parsed, "Image", &number, &err) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK(number == 42);
    CHECK(barque_error_code(err) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK_STR(barque_error_message(err), "Image is not a whole number");
    CHECK_STR(barque_error_kind(err), "invalid_argument");
    CHECK_STR(barque_error_reason(err), "wrong_type");
    CHECK(strstr(barque_error_json(err), "\"subject\":{\"id\":\"Image\",\"type\":\"field\"}") != NULL);
    CHECK(barque_error_errno(err) == 0);
    barque_error_free(err);
    barque_error_free(err); /* twice does no harm */
    CHECK_STR(barque_error_message(err), "");
    CHECK(barque_doc_set_double(doc, "X", NAN, NULL) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK(barque_doc_set_double(doc, "X", INFINITY, NULL) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK(barque_doc_set_str(doc, "Image.Deep", "x", NULL) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK(barque_doc_parse("{\"a\":", &parsed, NULL) == BARQUE_ERR_INVALID_ARGUMENT);

    err = NULL;
    CHECK(barque_cancel_new(&cancel, &err) == BARQUE_OK && err == NULL);
    CHECK(barque_cancel_fd(cancel) >= 0 && !barque_cancel_is_triggered(cancel));
    barque_cancel_trigger(cancel);
    barque_cancel_trigger(cancel);
    CHECK(barque_cancel_is_triggered(cancel));
    barque_cancel_free(cancel);
    CHECK(!barque_cancel_is_triggered(cancel));
    barque_cancel_trigger(cancel);

    CHECK(barque_supports("HostConfig.Memory") && barque_supports("container.run"));
    CHECK(!barque_supports("HostConfig.Memroy") && !barque_supports(""));

    barque_doc_free(doc);
    barque_doc_free(doc);
    barque_doc_free(parsed);
    CHECK(barque_doc_json(doc) == NULL);
    return 0;
}
