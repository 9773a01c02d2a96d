/* Runs scenario steps through the C API: the protocol is described in tests/src/faces/driver.rs.
 *
 * Each operation is called by the function that is its own. A request with fields that this function has no parameter for
 * (a bad one, say) goes by name through barque_call, which is what that function is for. */

#include <barque.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAMS 16

static barque_engine *engine;
static struct {
  char id[64];
  barque_stream *stream;
} streams[STREAMS];

static void frame(const char *kind, const void *data, size_t length) {
  printf("%s %zu\n", kind, length);
  fwrite(data, 1, length, stdout);
}

/* Send the closing frame of an answer. Takes over text and err. */
static void answer(int code, char *text, barque_error *err) {
  if (code == BARQUE_OK || code == BARQUE_DONE) {
    const char *shown = text ? text : "{}";
    frame("ok", shown, strlen(shown));
  } else {
    const char *shown = err ? barque_error_json(err) : "{\"kind\":\"driver\",\"message\":\"no error object\"}";
    frame("error", shown, strlen(shown));
  }
  barque_string_free(text);
  barque_error_free(err);
  fflush(stdout);
}

static void refuse(const char *why) {
  char text[256];
  snprintf(text, sizeof text, "{\"kind\":\"driver\",\"message\":\"%s\"}", why);
  frame("error", text, strlen(text));
  fflush(stdout);
}

/* What is said on a connection until its end, as a document. */
static void hear(int connection, char *document, size_t room) {
  size_t length = (size_t)snprintf(document, room, "{\"Heard\":\"");
  ssize_t got;
  while (length + 3 < room && (got = read(connection, document + length, room - length - 3)) > 0) length += (size_t)got;
  close(connection);
  snprintf(document + length, room - length, "\"}");
}

/* The fields of a small request. */
struct fields {
  barque_doc *doc;
  size_t left; /* fields that nobody has asked for yet */
};

static int open_fields(struct fields *fields, const char *request) {
  fields->left = 0;
  if (barque_doc_parse(*request ? request : "{}", &fields->doc, NULL) != BARQUE_OK) return 0;
  return barque_doc_count(fields->doc, "", &fields->left, NULL) == BARQUE_OK;
}

static char *text_field(struct fields *fields, const char *name) {
  char *text = NULL;
  if (barque_doc_type(fields->doc, name) != BARQUE_TYPE_STR) return NULL;
  if (barque_doc_get_str(fields->doc, name, &text, NULL) == BARQUE_OK) fields->left--;
  return text;
}

static int64_t int_field(struct fields *fields, const char *name, int64_t missing) {
  int64_t value = missing;
  if (barque_doc_type(fields->doc, name) != BARQUE_TYPE_INT) return missing;
  if (barque_doc_get_int(fields->doc, name, &value, NULL) == BARQUE_OK) fields->left--;
  return value;
}

static uint32_t flag_field(struct fields *fields, const char *name, uint32_t flag) {
  int value = 0;
  if (barque_doc_type(fields->doc, name) != BARQUE_TYPE_BOOL) return 0;
  if (barque_doc_get_bool(fields->doc, name, &value, NULL) == BARQUE_OK) fields->left--;
  return value ? flag : 0;
}

/* The operations whose functions take the request document itself. */
typedef int by_document(const barque_engine *, const char *, const barque_cancel *, char **, barque_error **);
static const struct {
  const char *name;
  by_document *call;
} with_documents[] = {
    {"container.commit", barque_container_commit},
    {"container.create", barque_container_create},
    {"container.list", barque_container_list},
    {"file.copy", barque_file_copy},
    {"image.import", barque_image_import},
    {"image.list", barque_image_list},
    {"network.create", barque_network_create},
    {"network.list", barque_network_list},
    {"network.prune", barque_network_prune},
    {"registry.login", barque_registry_login},
};

static void call(const char *operation, const char *request) {
  char *out = NULL;
  barque_error *err = NULL;
  for (size_t i = 0; i < sizeof with_documents / sizeof *with_documents; i++)
    if (strcmp(operation, with_documents[i].name) == 0) {
      int code = with_documents[i].call(engine, request, NULL, &out, &err);
      answer(code, out, err);
      return;
    }

  if (strcmp(operation, "archive.put") == 0) {
    int code = barque_archive_put(engine, request, NULL, &err);
    answer(code, NULL, err);
    return;
  }

  struct fields fields = {0};
  int known = open_fields(&fields, request);
  char *id = known ? text_field(&fields, "Id") : NULL;
  char *name = known ? text_field(&fields, "Name") : NULL;
  char *signal = known ? text_field(&fields, "Signal") : NULL;
  char *reference = NULL, *path = NULL;
  char heard[256] = "";
  int code = 0, done = 0;
#define IS(op) (known && !done && strcmp(operation, op) == 0)
#define BY(...) (done = 1, code = (__VA_ARGS__))
  if (IS("container.start") && id && fields.left == 0) BY(barque_container_start(engine, id, NULL, &err));
  if (IS("container.kill") && id && fields.left == 0) BY(barque_container_kill(engine, id, signal, NULL, &err));
  if (IS("container.inspect") && id && fields.left == 0)
    BY(barque_container_inspect(engine, id, NULL, &out, &err));
  if (IS("container.stop") && id) {
    int64_t timeout = int_field(&fields, "Timeout", BARQUE_STOP_TIMEOUT_DEFAULT);
    if (fields.left == 0) BY(barque_container_stop(engine, id, timeout, signal, NULL, &err));
  }
  if (IS("container.remove") && id) {
    uint32_t flags = flag_field(&fields, "Force", BARQUE_REMOVE_FORCE);
    flags |= flag_field(&fields, "Volumes", BARQUE_REMOVE_VOLUMES);
    if (fields.left == 0) BY(barque_container_remove(engine, id, flags, NULL, &err));
  }
  if (IS("container.resize") && id) {
    int64_t rows = int_field(&fields, "H", -1), columns = int_field(&fields, "W", -1);
    if (fields.left == 0 && rows >= 0 && columns >= 0 && rows <= UINT16_MAX && columns <= UINT16_MAX)
      BY(barque_container_resize(engine, id, (uint16_t)rows, (uint16_t)columns, NULL, &err));
  }
  if (IS("container.connect") && id) {
    int64_t port = int_field(&fields, "Port", -1), timeout = int_field(&fields, "TimeoutMs", 0);
    if (fields.left == 0 && port >= 0 && port <= UINT16_MAX && timeout >= 0) {
      int connection = -1;
      BY(barque_container_connect(engine, id, (uint16_t)port, (uint64_t)timeout, NULL, &connection, &err));
      if (code == BARQUE_OK) hear(connection, heard, sizeof heard);
    }
  }
  if (IS("container.diff") && id && fields.left == 0) BY(barque_container_diff(engine, id, NULL, &out, &err));
  if (IS("network.inspect") && id && fields.left == 0) BY(barque_network_inspect(engine, id, NULL, &out, &err));
  if (IS("network.remove") && id) {
    uint32_t flags = flag_field(&fields, "Force", BARQUE_NETWORK_REMOVE_FORCE);
    if (fields.left == 0) BY(barque_network_remove(engine, id, flags, NULL, &err));
  }
  char *container = known && id ? text_field(&fields, "Container") : NULL;
  if (IS("network.connect") && id && container && fields.left == 0)
    BY(barque_network_connect(engine, id, container, NULL, NULL, &err));
  if (IS("network.disconnect") && id && container) {
    uint32_t flags = flag_field(&fields, "Force", BARQUE_NETWORK_DISCONNECT_FORCE);
    if (fields.left == 0) BY(barque_network_disconnect(engine, id, container, flags, NULL, &err));
  }
  char *file = known && id ? text_field(&fields, "Path") : NULL;
  if (IS("file.list") && id && file && fields.left == 0) BY(barque_file_list(engine, id, file, NULL, &out, &err));
  if (IS("file.stat") && id && file && fields.left == 0) BY(barque_file_stat(engine, id, file, NULL, &out, &err));
  if (IS("file.remove") && id && file) {
    uint32_t flags = flag_field(&fields, "Recursive", BARQUE_FILE_REMOVE_RECURSIVE);
    if (fields.left == 0) BY(barque_file_remove(engine, id, file, flags, NULL, &err));
  }
  if (IS("image.inspect") && name && fields.left == 0) BY(barque_image_inspect(engine, name, NULL, &out, &err));
  if (IS("image.history") && name && fields.left == 0) BY(barque_image_history(engine, name, NULL, &out, &err));
  if (IS("image.tag") && name) {
    reference = text_field(&fields, "Reference");
    if (fields.left == 0 && reference) BY(barque_image_tag(engine, name, reference, NULL, &err));
  }
  if (IS("image.remove") && name) {
    uint32_t flags = flag_field(&fields, "Force", BARQUE_IMAGE_REMOVE_FORCE);
    flags |= flag_field(&fields, "NoPrune", BARQUE_IMAGE_REMOVE_NO_PRUNE);
    if (fields.left == 0) BY(barque_image_remove(engine, name, flags, NULL, &out, &err));
  }
  if (IS("image.load") && fields.left == 1 && barque_doc_type(fields.doc, "Input.Path") == BARQUE_TYPE_STR) {
    barque_doc_get_str(fields.doc, "Input.Path", &path, NULL);
    BY(barque_image_load(engine, path, NULL, &out, &err));
  }
  if (IS("system.info") && fields.left == 0) BY(barque_system_info(engine, NULL, &out, &err));
  if (IS("system.version") && fields.left == 0) BY(barque_system_version(engine, NULL, &out, &err));
  if (IS("system.df") && fields.left == 0) BY(barque_system_df(engine, NULL, &out, &err));
  if (!done) code = barque_call(engine, operation, request, NULL, &out, &err);
  barque_string_free(id);
  barque_string_free(name);
  barque_string_free(signal);
  barque_string_free(reference);
  barque_string_free(path);
  barque_string_free(file);
  barque_string_free(container);
  barque_doc_free(fields.doc);
  if (*heard) {
    frame("ok", heard, strlen(heard));
    fflush(stdout);
    return;
  }
  answer(code, out, err);
}

static barque_stream **find(const char *id) {
  for (int i = 0; i < STREAMS; i++)
    if (streams[i].stream && strcmp(streams[i].id, id) == 0) return &streams[i].stream;
  return NULL;
}

/* The streams that are opened by a container and a path; 0 when this is another. */
static int begin_file(const char *operation, const char *request, barque_stream **stream, barque_error **err,
                      int *code) {
  struct fields fields = {0};
  int done = 0;
  if (open_fields(&fields, request)) {
    char *id = text_field(&fields, "Id"), *path = text_field(&fields, "Path");
    if (strcmp(operation, "container.export") == 0 && id && fields.left == 0)
      done = 1, *code = barque_container_export(engine, id, NULL, stream, err);
    if (strcmp(operation, "archive.get") == 0 && id && path && fields.left == 0)
      done = 1, *code = barque_archive_get(engine, id, path, NULL, stream, err);
    if (strcmp(operation, "file.read") == 0 && id && path) {
      int64_t offset = int_field(&fields, "Offset", 0), limit = int_field(&fields, "Limit", 0);
      if (fields.left == 0 && offset >= 0 && limit >= 0)
        done = 1, *code = barque_file_read(engine, id, path, (uint64_t)offset, (uint64_t)limit, NULL, stream, err);
    }
    barque_string_free(id);
    barque_string_free(path);
  }
  barque_doc_free(fields.doc);
  return done;
}

static void begin(const char *id, const char *operation, const char *request) {
  int slot = 0;
  while (slot < STREAMS && streams[slot].stream) slot++;
  if (slot == STREAMS) {
    refuse("too many streams");
    return;
  }
  barque_stream *stream = NULL;
  barque_error *err = NULL;
  int code;
  if (strcmp(operation, "container.run") == 0)
    code = barque_container_run_stream(engine, request, NULL, &stream, &err);
  else if (strcmp(operation, "container.logs") == 0)
    code = barque_container_logs(engine, request, NULL, &stream, &err);
  else if (strcmp(operation, "container.attach") == 0)
    code = barque_container_attach(engine, request, NULL, &stream, &err);
  else if (strcmp(operation, "image.pull") == 0)
    code = barque_image_pull(engine, request, NULL, &stream, &err);
  else if (strcmp(operation, "image.push") == 0)
    code = barque_image_push(engine, request, NULL, &stream, &err);
  else if (!begin_file(operation, request, &stream, &err, &code))
    code = barque_open_stream(engine, operation, request, NULL, &stream, &err);
  if (code == BARQUE_OK) {
    streams[slot].stream = stream;
    snprintf(streams[slot].id, sizeof streams[slot].id, "%s", id);
  }
  answer(code, NULL, err);
}

static void input(const char *id, const uint8_t *data, size_t length) {
  barque_stream **stream = find(id);
  barque_error *err = NULL;
  int code = BARQUE_OK;
  if (!stream) {
    refuse("no such stream");
    return;
  }
  if (length == 0) code = barque_stream_close_input(*stream, &err);
  while (length > 0 && code == BARQUE_OK) {
    size_t written = 0;
    code = barque_stream_write(*stream, data, length, 10000, &written, &err);
    data += written;
    length -= written;
  }
  answer(code, NULL, err);
}

static void end(const char *id) {
  barque_stream **stream = find(id);
  if (!stream) {
    refuse("no such stream");
    return;
  }
  barque_error *err = NULL;
  int code;
  while ((code = barque_stream_next(*stream, -1, &err)) == BARQUE_OK) {
    if (barque_stream_channel(*stream) == BARQUE_CHANNEL_DOCUMENT) {
      const char *document = barque_stream_document(*stream);
      frame("document", document, strlen(document));
    } else {
      int out = barque_stream_channel(*stream) == BARQUE_CHANNEL_STDOUT;
      frame(out ? "stdout" : "stderr", barque_stream_data(*stream), barque_stream_length(*stream));
    }
  }
  barque_stream_free(*stream);
  *stream = NULL;
  answer(code, NULL, err);
}

int main(void) {
  char line[512];
  while (fgets(line, sizeof line, stdin)) {
    char verb[16], id[64], operation[64];
    size_t length;
    if (sscanf(line, "%15s %63s %63s %zu", verb, id, operation, &length) != 4) return 2;
    char *data = malloc(length + 1);
    if (!data || fread(data, 1, length, stdin) != length) return 2;
    data[length] = 0;
    if (strcmp(verb, "open") == 0) {
      barque_error *err = NULL;
      answer(barque_engine_open(data, NULL, &engine, &err), NULL, err);
    } else if (strcmp(verb, "call") == 0) {
      call(operation, data);
    } else if (strcmp(verb, "begin") == 0) {
      begin(id, operation, data);
    } else if (strcmp(verb, "input") == 0) {
      input(id, (uint8_t *)data, length);
    } else if (strcmp(verb, "cancel") == 0) {
      barque_stream **stream = find(id);
      if (stream) barque_stream_cancel(*stream);
      answer(BARQUE_OK, NULL, NULL);
    } else if (strcmp(verb, "end") == 0) {
      end(id);
    } else if (strcmp(verb, "close") == 0) {
      for (int i = 0; i < STREAMS; i++) barque_stream_free(streams[i].stream);
      barque_engine_free(engine);
      answer(BARQUE_OK, NULL, NULL);
      free(data);
      return 0;
    } else {
      return 2;
    }
    free(data);
  }
  return 0;
}
