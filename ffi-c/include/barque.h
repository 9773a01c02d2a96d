/*
 * barque: a container engine that is a library.
 *
 * Open a directory, start a container: no daemon, no other program.
 *
 *     barque_engine *engine = NULL;
 *     barque_output *output = NULL;
 *     barque_error *err = NULL;
 *
 *     if (barque_engine_open(NULL, NULL, &engine, &err) != BARQUE_OK ||
 *         barque_container_run(engine, "{\"Create\":{\"Image\":\"hello\"}}", SIZE_MAX, NULL, &output, &err) != BARQUE_OK) {
 *         fprintf(stderr, "%s\n", barque_error_message(err));
 *     }
 *     ...
 *     barque_output_free(output);
 *     barque_engine_free(engine);
 *     barque_error_free(err);
 *
 * What is not in this file is not part of the interface.
 *
 * Results. A function that can fail returns BARQUE_OK (0), BARQUE_DONE or BARQUE_TIMEOUT (positive), or a BARQUE_ERR_ code
 * (negative). Its last parameter, err, takes the error object and may be NULL; it is set only on failure, and other
 * out-parameters only on success. Functions that cannot fail return their value.
 *
 * Objects are opaque and named by handles. Each type has one function that frees it, which takes NULL. Objects are freed in
 * any order: a stream keeps its engine open. A handle that was freed, is of another type or none at all is refused with
 * BARQUE_ERR_INVALID_ARGUMENT; it is never followed.
 *
 * Strings are UTF-8 and end with NUL. Strings passed in are copied and have at most 16 MiB. A string returned through a
 * char ** belongs to the caller (barque_string_free); a const char * that is returned belongs to the object, until the time
 * that the function names.
 *
 * Documents are JSON with the field names of the Docker Engine API. An unknown field is an error that names it. barque_doc
 * builds and reads them without a JSON library.
 *
 * Threads. All functions may be called from any thread at any time, the same object included; a stream has one reader at a
 * time. Nothing here prints, exits, changes signal handlers, the working directory, the environment or the umask, or
 * leaves a thread behind.
 */

#ifndef BARQUE_H
#define BARQUE_H

#include <stddef.h>
#include <stdint.h>

/* The header's version; the library's is barque_version(). */
#define BARQUE_VERSION "0.1.0"
#define BARQUE_VERSION_MAJOR 0
#define BARQUE_VERSION_MINOR 1
#define BARQUE_VERSION_PATCH 0
#define BARQUE_VERSION_NUMBER 1000

/** The call did what it should. */
#define BARQUE_OK 0

/** A stream has no more items. */
#define BARQUE_DONE 1

/** Nothing happened before the timeout. What was waited for goes on. */
#define BARQUE_TIMEOUT 2

/** A bug in barque. */
#define BARQUE_ERR_INTERNAL (-1)

/** The request cannot be: NULL, a wrong value, an unknown field, a malformed name, a handle that is none. */
#define BARQUE_ERR_INVALID_ARGUMENT (-2)

/** Credentials are missing or wrong. */
#define BARQUE_ERR_UNAUTHORIZED (-3)

/** The kernel, or a registry, does not let this caller do it. */
#define BARQUE_ERR_PERMISSION_DENIED (-4)

/** There is no such thing. */
#define BARQUE_ERR_NOT_FOUND (-5)

/** A thing of that name is there already. */
#define BARQUE_ERR_ALREADY_EXISTS (-6)

/** The thing is in a state that does not allow it. In a forked child: the parent has an engine open. */
#define BARQUE_ERR_CONFLICT (-7)

/** Nothing to do: it is so already (a start of a running container). */
#define BARQUE_ERR_NOT_MODIFIED (-8)

/** Known, and not to be had in this version or on this kernel. */
#define BARQUE_ERR_UNSUPPORTED (-9)

/** Not to be had now: a registry that does not answer. */
#define BARQUE_ERR_UNAVAILABLE (-10)

/** Space, memory, descriptors or a limit of the engine's own ran out. */
#define BARQUE_ERR_RESOURCE_EXHAUSTED (-11)

/** A time limit ran out. */
#define BARQUE_ERR_TIMEOUT (-12)

/** It was cancelled. */
#define BARQUE_ERR_CANCELLED (-13)

/** What is stored or was received is not what its digest or format says. */
#define BARQUE_ERR_CORRUPT (-14)

/** Another process holds it, longer than was worth waiting. */
#define BARQUE_ERR_BUSY (-15)

/** A system call failed; see barque_error_errno. */
#define BARQUE_ERR_SYSTEM (-16)

/** A panic in barque was caught at the boundary: a bug. The message says where. */
#define BARQUE_ERR_PANIC (-99)

/** There is nothing, or null. */
#define BARQUE_TYPE_NULL 0

/** true or false. */
#define BARQUE_TYPE_BOOL 1

/** A whole number that an int64_t holds. */
#define BARQUE_TYPE_INT 2

/** Any other number. */
#define BARQUE_TYPE_DOUBLE 3

/** Text. */
#define BARQUE_TYPE_STR 4

/** An array. */
#define BARQUE_TYPE_ARRAY 5

/** An object. */
#define BARQUE_TYPE_OBJECT 6

/** The item is no bytes but a document: barque_stream_document. */
#define BARQUE_CHANNEL_DOCUMENT 0

/** The item is bytes of standard output, or of the terminal. */
#define BARQUE_CHANNEL_STDOUT 1

/** The item is bytes of standard error. */
#define BARQUE_CHANNEL_STDERR 2

/** For barque_container_remove: kill it first when it runs. */
#define BARQUE_REMOVE_FORCE 1

/** For barque_container_remove: remove its anonymous volumes too. */
#define BARQUE_REMOVE_VOLUMES 2

/** For barque_container_stop: as long as the container itself says. */
#define BARQUE_STOP_TIMEOUT_DEFAULT (-1000)

/** For barque_file_remove: a directory with everything in it. */
#define BARQUE_FILE_REMOVE_RECURSIVE 1

/** For barque_file_write: make directories that are missing. */
#define BARQUE_FILE_WRITE_PARENTS 1

/** For barque_file_write: the permissions of the file that was there, or 0644. */
#define BARQUE_FILE_MODE_DEFAULT (-1)

/** For barque_image_remove: also when it has other names, or stopped containers use it. */
#define BARQUE_IMAGE_REMOVE_FORCE 1

/** For barque_image_remove: keep images without a name that it was built on. */
#define BARQUE_IMAGE_REMOVE_NO_PRUNE 2

/** For barque_network_remove: that there is none is fine. */
#define BARQUE_NETWORK_REMOVE_FORCE 1

/** For barque_network_disconnect: that the link cannot be taken away is fine. */
#define BARQUE_NETWORK_DISCONNECT_FORCE 1

/** For barque_volume_remove: that there is none is fine. */
#define BARQUE_VOLUME_REMOVE_FORCE 1

/**
 * Cancels the calls and streams it was given to. Any thread may use it at any time.
 *
 * Once used it stays used: a call that is given a used one fails at once with BARQUE_ERR_CANCELLED. What was half done is
 * undone, unless the call's own comment says otherwise.
 */
typedef struct barque_cancel barque_cancel;

/**
 * A JSON document that can be built and read field by field.
 *
 * A field is named by a path: names with dots between them ("HostConfig.Memory"), where a number is an element of an
 * array ("Mounts.0.Target") and "-" the place after its last ("Cmd.-"). A path with a slash in front is a JSON pointer
 * (RFC 6901), for names with dots in them: "/Labels/com.example.role". The empty path is the whole document. Setting a
 * field makes what is missing on the way to it.
 *
 * Any thread may use a document; each call is atomic.
 */
typedef struct barque_doc barque_doc;

/**
 * An engine root, opened by this process.
 *
 * All threads may use one at the same time. Any number of processes may have the same root open. It is not to be carried
 * across fork(2): in the child every call on it fails with BARQUE_ERR_CONFLICT, and does no harm to the parent.
 */
typedef struct barque_engine barque_engine;

/**
 * Why a call failed: a code, a line for a person, and everything else that is known about it.
 *
 * A call that fails stores a new one in its last parameter, `err`, if that is not NULL. The caller frees it with
 * barque_error_free. It belongs to nothing else: it stays valid whatever is freed, and any thread may read it.
 */
typedef struct barque_error barque_error;

/** What a container wrote and how it ended: the result of barque_container_run. Any thread may read it. */
typedef struct barque_output barque_output;

/**
 * A sequence of items that its reader pulls: output of a container, then the document that says how it ended.
 *
 * One thread at a time reads a stream (barque_stream_next and what tells about the item). Any other may write to it, cancel it or
 * free it meanwhile. It stays usable when its engine is freed.
 */
typedef struct barque_stream barque_stream;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/** The library's version, "0.1.0". The header's is BARQUE_VERSION. */
const char *barque_version(void);

/** The library's version as a number: major * 1000000 + minor * 1000 + patch. The header's is BARQUE_VERSION_NUMBER. */
int barque_version_number(void);

/**
 * Whether this library knows an operation ("container.logs") or a field of ContainerCreate ("HostConfig.Memory"), and does
 * not refuse it as unsupported: 1 or 0.
 *
 * Whether this host's kernel can do it is another question: see the document of barque_system_info.
 */
int barque_supports(const char *feature);

/** The code: what the failed call returned. 0 when `error` is NULL or not an error. */
int barque_error_code(const barque_error *error);

/** The system's error number (errno.h) where one was the cause, otherwise 0. */
int barque_error_errno(const barque_error *error);

/**
 * One line for a person, causes included: "No such container: web".
 *
 * Never NULL; "" when `error` is NULL or not an error. Valid until the error is freed, as all strings of an error are.
 */
const char *barque_error_message(const barque_error *error);

/** The name of the code: "not_found". */
const char *barque_error_kind(const barque_error *error);

/** Which case of the kind it is, as a short stable word: "unknown_field". The kind's name where nothing more is known. */
const char *barque_error_reason(const barque_error *error);

/** The error as a JSON document: kind, code, status, reason, subject, message, causes, errno. */
const char *barque_error_json(const barque_error *error);

/** Free an error. NULL is allowed. */
void barque_error_free(barque_error *error);

/** Free a string that barque returned in a `char **`. NULL is allowed. */
void barque_string_free(char *string);

/** Make a canceller. Free it with barque_cancel_free; calls and streams that use it keep what they need of it. */
int barque_cancel_new(barque_cancel **out,
                      barque_error **err);

/** Cancel. Twice does no harm, nor does cancelling what has ended. In a signal handler write to barque_cancel_fd instead. */
void barque_cancel_trigger(const barque_cancel *cancel);

/** 1 when it has been used, 0 when not (or when `cancel` is none). */
int barque_cancel_is_triggered(const barque_cancel *cancel);

/**
 * Its descriptor, an eventfd(2); -1 when `cancel` is none.
 *
 * write(2) of a uint64_t 1 to it cancels whatever waits at the time, and is allowed in a signal handler. It belongs to the
 * canceller: don't close it.
 */
int barque_cancel_fd(const barque_cancel *cancel);

/** Free a canceller, used or not. NULL is allowed. Freeing cancels nothing. */
void barque_cancel_free(barque_cancel *cancel);

/** Make an empty document. NULL when there is no memory for it. */
barque_doc *barque_doc_new(void);

/** Make a document of JSON text. */
int barque_doc_parse(const char *json, barque_doc **out, barque_error **err);

/**
 * The document as JSON text, for a call that takes one.
 *
 * NULL when `doc` is none. Valid until the document is changed or freed.
 */
const char *barque_doc_json(const barque_doc *doc);

/** Set a text. */
int barque_doc_set_str(barque_doc *doc, const char *path, const char *value, barque_error **err);

/** Set a whole number. */
int barque_doc_set_int(barque_doc *doc, const char *path, int64_t value, barque_error **err);

/** Set a boolean: false when `value` is 0, else true. */
int barque_doc_set_bool(barque_doc *doc, const char *path, int value, barque_error **err);

/** Set a number. NaN and the infinities, which JSON has no words for, are BARQUE_ERR_INVALID_ARGUMENT. */
int barque_doc_set_double(barque_doc *doc,
                          const char *path,
                          double value,
                          barque_error **err);

/** Set null, which in a request is the same as no field. */
int barque_doc_set_null(barque_doc *doc, const char *path, barque_error **err);

/** Set any value, given as JSON text: "[]", "{\"Name\":\"always\"}". */
int barque_doc_set_json(barque_doc *doc, const char *path, const char *json, barque_error **err);

/** Append a text to an array, which is made when it is not there. */
int barque_doc_append_str(barque_doc *doc, const char *path, const char *value, barque_error **err);

/** Take a field or an element away. BARQUE_ERR_NOT_FOUND when it is not there. */
int barque_doc_remove(barque_doc *doc, const char *path, barque_error **err);

/**
 * A text. Free it with barque_string_free.
 *
 * This and the other readers: BARQUE_ERR_NOT_FOUND when the field is not there, BARQUE_ERR_INVALID_ARGUMENT when it is
 * something else.
 */
int barque_doc_get_str(const barque_doc *doc,
                       const char *path,
                       char **out,
                       barque_error **err);

/** A whole number. */
int barque_doc_get_int(const barque_doc *doc, const char *path, int64_t *out, barque_error **err);

/** A boolean, as 0 or 1. */
int barque_doc_get_bool(const barque_doc *doc, const char *path, int *out, barque_error **err);

/** A number, whole or not. */
int barque_doc_get_double(const barque_doc *doc, const char *path, double *out, barque_error **err);

/** Any value, as JSON text. Free it with barque_string_free. */
int barque_doc_get_json(const barque_doc *doc, const char *path, char **out, barque_error **err);

/** Which type a value has, BARQUE_TYPE_NULL to BARQUE_TYPE_OBJECT; BARQUE_TYPE_NULL when it is not there. */
int barque_doc_type(const barque_doc *doc,
                    const char *path);

/** How many elements an array, or fields an object, has. */
int barque_doc_count(const barque_doc *doc, const char *path, size_t *out, barque_error **err);

/** The name of an object's field, by its number from 0: to walk through labels. Free it with barque_string_free. */
int barque_doc_key(const barque_doc *doc,
                   const char *path,
                   size_t index,
                   char **out,
                   barque_error **err);

/** Free a document. NULL is allowed. */
void barque_doc_free(barque_doc *doc);

/**
 * Open an engine.
 *
 * `root` is its directory, made when it is not there; NULL: the environment's BARQUE_ROOT, else /var/lib/barque.
 * `run_directory` is where what must not outlive a reboot is kept; NULL: the environment's BARQUE_RUN, else /run/barque.
 * Opening puts right what a crash or a reboot left behind.
 */
int barque_engine_open(const char *root,
                       const char *run_directory,
                       barque_engine **out,
                       barque_error **err);

/** Close an engine. NULL is allowed. Containers go on; streams stay open until they are freed themselves. */
void barque_engine_free(barque_engine *engine);

/**
 * Carry out an operation by its name: "container.start".
 *
 * `request` is its request document, NULL an empty one; `*out` becomes the answer, a JSON document that is freed with
 * barque_string_free. docs/operations.md lists the operations. Each has a function of its own too; this one also reaches
 * fields that came after that function.
 */
int barque_call(const barque_engine *engine,
                const char *operation,
                const char *request,
                const barque_cancel *cancel,
                char **out,
                barque_error **err);

/**
 * Open the stream of an operation by its name: "container.logs".
 *
 * As barque_call, for operations that answer with a stream. Free it with barque_stream_free.
 */
int barque_open_stream(const barque_engine *engine,
                       const char *operation,
                       const char *request,
                       const barque_cancel *cancel,
                       barque_stream **out,
                       barque_error **err);

/**
 * Wait for the next item, at most `timeout_ms` milliseconds; negative: as long as it takes.
 *
 * BARQUE_OK: there is one, which the functions below tell about until the next call of this one. BARQUE_DONE: there will
 * be no more, also when asked again. BARQUE_TIMEOUT: nothing came, the stream goes on. An error ends the stream.
 */
int barque_stream_next(barque_stream *stream,
                       int64_t timeout_ms,
                       barque_error **err);

/** What the item is: BARQUE_CHANNEL_STDOUT, BARQUE_CHANNEL_STDERR or BARQUE_CHANNEL_DOCUMENT; -1 when there is none. */
int barque_stream_channel(const barque_stream *stream);

/**
 * The item's bytes, exactly as the container wrote them, barque_stream_length of them; NULL when it is a document.
 *
 * Valid until the next barque_stream_next or barque_stream_free.
 */
const uint8_t *barque_stream_data(const barque_stream *stream);

/** How many bytes the item has. */
size_t barque_stream_length(const barque_stream *stream);

/** When the bytes were written, nanoseconds since 1970; 0 where it was not asked for. */
int64_t barque_stream_timestamp(const barque_stream *stream);

/** The item as a JSON document; NULL when it is bytes. Valid until the next barque_stream_next or barque_stream_free. */
const char *barque_stream_document(const barque_stream *stream);

/** The id of the container whose run or attach this is; NULL for other streams. Valid until barque_stream_free. */
const char *barque_stream_container(const barque_stream *stream);

/**
 * Send bytes to the container's standard input, waiting at most `timeout_ms` milliseconds (negative: as long as it takes) for
 * it to take them. `*written` is how many it took.
 *
 * BARQUE_TIMEOUT when it took none. A container whose output nobody reads may take no input: whoever writes without a
 * timeout reads in another thread. `length` 0 does nothing; the end of the input is barque_stream_close_input.
 */
int barque_stream_write(barque_stream *stream,
                        const uint8_t *data,
                        size_t length,
                        int64_t timeout_ms,
                        size_t *written,
                        barque_error **err);

/** End the container's standard input: it reads end of file. Output goes on. */
int barque_stream_close_input(barque_stream *stream, barque_error **err);

/**
 * A descriptor that is readable when barque_stream_next may have something to say, for poll(2) and event loops; -1 when
 * `stream` is none.
 *
 * Call next with a timeout of 0 then, until it says BARQUE_TIMEOUT. Only poll it. It belongs to the stream.
 */
int barque_stream_fd(const barque_stream *stream);

/**
 * Cancel the stream, from any thread: a waiting barque_stream_next fails with BARQUE_ERR_CANCELLED. What was called with
 * the same barque_cancel is cancelled too.
 */
void barque_stream_cancel(const barque_stream *stream);

/** Close a stream, read to its end or not. NULL is allowed. A container that is not tied to it goes on. */
void barque_stream_free(barque_stream *stream);

/** The exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known (and when `output` is none). */
int barque_output_exit_code(const barque_output *output);

/**
 * Why it ended: "exited", "signaled", "killed", "stopped", "stop-timeout", "oom-killed", "owner-gone", "timeout",
 * "start-failed" or "monitor-died"; "" when `output` is none. Valid until the output is freed, as all of it is.
 */
const char *barque_output_reason(const barque_output *output);

/** The container's id. */
const char *barque_output_id(const barque_output *output);

/** The bytes of standard output (or of the terminal) that were kept, barque_output_stdout_length of them. */
const uint8_t *barque_output_stdout(const barque_output *output);

/** How many bytes of standard output were kept. */
size_t barque_output_stdout_length(const barque_output *output);

/** How many bytes the container wrote to standard output: more than were kept when the limit cut it. */
uint64_t barque_output_stdout_total(const barque_output *output);

/** The bytes of standard error that were kept, barque_output_stderr_length of them. */
const uint8_t *barque_output_stderr(const barque_output *output);

/** How many bytes of standard error were kept. */
size_t barque_output_stderr_length(const barque_output *output);

/** How many bytes the container wrote to standard error. */
uint64_t barque_output_stderr_total(const barque_output *output);

/** How it ended, as a JSON document: Id, StatusCode, Reason, OOMKilled, Error. */
const char *barque_output_json(const barque_output *output);

/** Free an output. NULL is allowed. */
void barque_output_free(barque_output *output);

/**
 * Create a container. `request` is a ContainerCreate document (docs/documents.md), `*out` becomes a ContainerCreated:
 * Id and Warnings.
 *
 * In this and all other operations: `cancel` may be NULL; `*out` is freed with the function that frees its type, a text
 * with barque_string_free; containers are named by name, id or the beginning of an id.
 */
int barque_container_create(const barque_engine *engine,
                            const char *request,
                            const barque_cancel *cancel,
                            char **out,
                            barque_error **err);

/** Start a created or stopped container. BARQUE_ERR_NOT_MODIFIED when it runs already. */
int barque_container_start(const barque_engine *engine,
                           const char *id,
                           const barque_cancel *cancel,
                           barque_error **err);

/**
 * Connect to a TCP port of a running container, without the port being published. `*out` becomes a connected socket, which blocks and is
 * the caller's to close(2).
 *
 * Waits at most `timeout_ms` milliseconds until somebody listens, 0: not at all. BARQUE_ERR_UNAVAILABLE when nobody does.
 */
int barque_container_connect(const barque_engine *engine,
                             const char *id,
                             uint16_t port,
                             uint64_t timeout_ms,
                             const barque_cancel *cancel,
                             int *out,
                             barque_error **err);

/**
 * Run a container to its end and return everything at once: output, exit code and reason.
 *
 * `request` is a ContainerRun document: what to create below "Create", and "TimeoutMs" and "Tied". Set
 * "Create.HostConfig.AutoRemove" to leave nothing behind. At most `output_limit` bytes of each output are kept, SIZE_MAX
 * for all; the rest is counted. An exit code other than 0 is a result, not an error.
 */
int barque_container_run(const barque_engine *engine,
                         const char *request,
                         size_t output_limit,
                         const barque_cancel *cancel,
                         barque_output **out,
                         barque_error **err);

/** The same as a stream: output as it comes, then a ContainerExit document. With "Create.OpenStdin" it takes input. */
int barque_container_run_stream(const barque_engine *engine,
                                const char *request,
                                const barque_cancel *cancel,
                                barque_stream **out,
                                barque_error **err);

/**
 * Wait until a container has ended, at most `timeout_ms` milliseconds; negative: as long as it takes.
 *
 * `condition` is "not-running" (also when NULL), "next-exit" or "removed". `*exit_code`, which may be NULL, becomes its exit
 * code; `*out`, which may be NULL, a ContainerExit document. BARQUE_TIMEOUT when it has not ended. To wait in an event
 * loop, open the stream of the operation "container.wait".
 */
int barque_container_wait(const barque_engine *engine,
                          const char *id,
                          const char *condition,
                          int64_t timeout_ms,
                          const barque_cancel *cancel,
                          int *exit_code,
                          char **out,
                          barque_error **err);

/**
 * Stop a container: its stop signal, and SIGKILL when it still runs after `timeout_s` seconds.
 *
 * BARQUE_STOP_TIMEOUT_DEFAULT: the container's own time, else 10 seconds; another negative number: never SIGKILL. `signal`
 * is the signal to begin with, NULL the container's own. Returns when it has ended.
 */
int barque_container_stop(const barque_engine *engine,
                          const char *id,
                          int64_t timeout_s,
                          const char *signal,
                          const barque_cancel *cancel,
                          barque_error **err);

/** Stop a container and start it again; one that does not run is only started. Parameters as of barque_container_stop. */
int barque_container_restart(const barque_engine *engine,
                             const char *id,
                             int64_t timeout_s,
                             const char *signal,
                             const barque_cancel *cancel,
                             barque_error **err);

/** Freeze all processes of a container. BARQUE_ERR_CONFLICT when it is paused or does not run. */
int barque_container_pause(const barque_engine *engine,
                           const char *id,
                           const barque_cancel *cancel,
                           barque_error **err);

/** Let the processes of a paused container go on. */
int barque_container_unpause(const barque_engine *engine,
                             const char *id,
                             const barque_cancel *cancel,
                             barque_error **err);

/** Give a container another name. The old one is free at once. */
int barque_container_rename(const barque_engine *engine,
                            const char *id,
                            const char *name,
                            const barque_cancel *cancel,
                            barque_error **err);

/**
 * Change a container's limits, at once where it runs, and its restart policy. `request` is a ContainerUpdate document: "Id",
 * "Memory", "NanoCpus", "RestartPolicy" …; `*out` becomes a ContainerUpdated: Warnings.
 */
int barque_container_update(const barque_engine *engine,
                            const char *request,
                            const barque_cancel *cancel,
                            char **out,
                            barque_error **err);

/** Send a signal to a container: "TERM", "SIGTERM", "15"; NULL is SIGKILL. */
int barque_container_kill(const barque_engine *engine,
                          const char *id,
                          const char *signal,
                          const barque_cancel *cancel,
                          barque_error **err);

/**
 * Remove the containers that do not run: `request` is a ContainerPrune document, NULL for all of them; `*out` becomes a
 * ContainersPruned. "DryRun" only says what would go.
 */
int barque_container_prune(const barque_engine *engine,
                           const char *request,
                           const barque_cancel *cancel,
                           char **out,
                           barque_error **err);

/** Remove a container. `flags` is 0 or a sum of BARQUE_REMOVE_FORCE and BARQUE_REMOVE_VOLUMES. */
int barque_container_remove(const barque_engine *engine,
                            const char *id,
                            uint32_t flags,
                            const barque_cancel *cancel,
                            barque_error **err);

/** Everything about a container: `*out` becomes a ContainerInspect document. `barque_call` with `container.inspect` has its size too. */
int barque_container_inspect(const barque_engine *engine,
                             const char *id,
                             const barque_cancel *cancel,
                             char **out,
                             barque_error **err);

/**
 * List containers: `request` is a ContainerList document, NULL for those that run; `*out` becomes an array of
 * ContainerSummary.
 */
int barque_container_list(const barque_engine *engine,
                          const char *request,
                          const barque_cancel *cancel,
                          char **out,
                          barque_error **err);

/** Read a container's log. `request` is a ContainerLogs document: "Id", "Follow", "Tail", "Since" … */
int barque_container_logs(const barque_engine *engine,
                          const char *request,
                          const barque_cancel *cancel,
                          barque_stream **out,
                          barque_error **err);

/**
 * What a container uses. `request` is a ContainerStats document: "Id", "Stream", "OneShot".
 *
 * Each item of the stream is a StatsResponse document: one a second to the container's end, or one in all without "Stream".
 */
int barque_container_stats(const barque_engine *engine,
                           const char *request,
                           const barque_cancel *cancel,
                           barque_stream **out,
                           barque_error **err);

/** The processes in a container: `*out` becomes a ContainerTopResponse document. `ps_args` are options of ps, NULL for "-ef". */
int barque_container_top(const barque_engine *engine,
                         const char *id,
                         const char *ps_args,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/**
 * Attach to a running container. `request` is a ContainerAttach document: "Id", "Stdin", "Stdout", "Stderr".
 *
 * The stream gives the output from now on, takes input where "Stdin" is set, and ends with a ContainerExit document.
 */
int barque_container_attach(const barque_engine *engine,
                            const char *request,
                            const barque_cancel *cancel,
                            barque_stream **out,
                            barque_error **err);

/** Set the size of a container's terminal. */
int barque_container_resize(const barque_engine *engine,
                            const char *id,
                            uint16_t rows,
                            uint16_t columns,
                            const barque_cancel *cancel,
                            barque_error **err);

/**
 * Make ready a further process in a container that runs. `request` is an ExecCreate document: "Container", "Cmd",
 * "AttachStdout" …; `*out` becomes an ExecCreated: Id.
 */
int barque_exec_create(const barque_engine *engine,
                       const char *request,
                       const barque_cancel *cancel,
                       char **out,
                       barque_error **err);

/**
 * Start it. `request` is an ExecStart document: "Id", "Detach", "TimeoutMs".
 *
 * The stream gives its output, takes input where it was created with "AttachStdin", and ends with an ExecExit document.
 * Closing it before that kills the process and all that it has started, unless it is detached.
 */
int barque_exec_start(const barque_engine *engine,
                      const char *request,
                      const barque_cancel *cancel,
                      barque_stream **out,
                      barque_error **err);

/** Everything about it: `*out` becomes an ExecInspect document. */
int barque_exec_inspect(const barque_engine *engine,
                        const char *id,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/** Send it a signal: "TERM", "SIGTERM", "15"; NULL is SIGKILL, which all that it has started gets too. */
int barque_exec_kill(const barque_engine *engine,
                     const char *id,
                     const char *signal,
                     const barque_cancel *cancel,
                     barque_error **err);

/** Set the size of its terminal. */
int barque_exec_resize(const barque_engine *engine,
                       const char *id,
                       uint16_t rows,
                       uint16_t columns,
                       const barque_cancel *cancel,
                       barque_error **err);

/**
 * Pack what is at a path of a container, running or not. The stream gives a PathStat document, then the tar archive as standard
 * output. Only when it has ended without an error the archive is whole.
 */
int barque_archive_get(const barque_engine *engine,
                       const char *id,
                       const char *path,
                       const barque_cancel *cancel,
                       barque_stream **out,
                       barque_error **err);

/**
 * Unpack a tar archive (plain, gzip or zstd) into a directory of a container. `request` is an ArchivePut document: "Id", "Path",
 * "Input.Path" or "Input.Fd" …
 */
int barque_archive_put(const barque_engine *engine,
                       const char *request,
                       const barque_cancel *cancel,
                       barque_error **err);

/**
 * Copy between this host and a container. `request` is a FileCopy document: "Source" and "Destination", each with "Path" and one of
 * them with "Id". `*out` becomes a FileCopied document.
 */
int barque_file_copy(const barque_engine *engine,
                     const char *request,
                     const barque_cancel *cancel,
                     char **out,
                     barque_error **err);

/** What is in a directory of a container: `*out` becomes an array of PathStat. */
int barque_file_list(const barque_engine *engine,
                     const char *id,
                     const char *path,
                     const barque_cancel *cancel,
                     char **out,
                     barque_error **err);

/** What is at a path of a container: `*out` becomes a PathStat document. */
int barque_file_stat(const barque_engine *engine,
                     const char *id,
                     const char *path,
                     const barque_cancel *cancel,
                     char **out,
                     barque_error **err);

/**
 * Read a regular file of a container from byte `offset` on, at most `limit` bytes; 0: all. The stream gives a PathStat document,
 * then the content as standard output.
 */
int barque_file_read(const barque_engine *engine,
                     const char *id,
                     const char *path,
                     uint64_t offset,
                     uint64_t limit,
                     const barque_cancel *cancel,
                     barque_stream **out,
                     barque_error **err);

/**
 * Make a file in a container, or replace one, with the `length` bytes at `data`: others see the old one or the new one, whole.
 *
 * `mode` is its permissions, or BARQUE_FILE_MODE_DEFAULT; `user` its owner (`user`, `uid`, `user:group` …), NULL that of the file
 * that was there, or root; `flags` 0 or BARQUE_FILE_WRITE_PARENTS. For content that is in a file or comes through a pipe, use
 * barque_call and the operation "file.write".
 */
int barque_file_write(const barque_engine *engine,
                      const char *id,
                      const char *path,
                      const void *data,
                      size_t length,
                      int64_t mode,
                      const char *user,
                      uint32_t flags,
                      const barque_cancel *cancel,
                      barque_error **err);

/** Remove what is at a path of a container. `flags` is 0 or BARQUE_FILE_REMOVE_RECURSIVE. */
int barque_file_remove(const barque_engine *engine,
                       const char *id,
                       const char *path,
                       uint32_t flags,
                       const barque_cancel *cancel,
                       barque_error **err);

/** What a container has changed of its image: `*out` becomes an array of FilesystemChange. */
int barque_container_diff(const barque_engine *engine,
                          const char *id,
                          const barque_cancel *cancel,
                          char **out,
                          barque_error **err);

/** The root file system of a container as a tar archive, which the stream gives as standard output. */
int barque_container_export(const barque_engine *engine,
                            const char *id,
                            const barque_cancel *cancel,
                            barque_stream **out,
                            barque_error **err);

/**
 * Make an image of a container. `request` is a ContainerCommit document: "Id", "Reference", "Changes" …; `*out` becomes an
 * ImageCreated: Id.
 */
int barque_container_commit(const barque_engine *engine,
                            const char *request,
                            const barque_cancel *cancel,
                            char **out,
                            barque_error **err);

/**
 * Load images from an archive (docker save, podman save, skopeo; plain, gzip or zstd) or an OCI image layout directory.
 *
 * `*out` becomes an ImageLoaded document: the images and their names. Images are named by name and tag, digest, id or the
 * beginning of an id.
 */
int barque_image_load(const barque_engine *engine,
                      const char *path,
                      const barque_cancel *cancel,
                      char **out,
                      barque_error **err);

/** The same from an open descriptor, read from where it stands to its end. It stays the caller's. */
int barque_image_load_fd(const barque_engine *engine,
                         int fd,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/**
 * Build an image from a Dockerfile. `request` is an ImageBuild document: "Context.Path" (a directory or a tar archive) or
 * "Context.Fd", "Dockerfile" or "DockerfileText", "Tags", "BuildArgs", "Target" …
 *
 * The stream gives Progress documents, which have a "status" and tell of a "step", and at last an ImageBuilt: Id. Output of steps waits
 * until it is read; freeing the stream ends the build.
 */
int barque_image_build(const barque_engine *engine,
                       const char *request,
                       const barque_cancel *cancel,
                       barque_stream **out,
                       barque_error **err);

/**
 * Fetch an image from its registry. `request` is an ImagePull document: "Name", "Platform", "Auth", "Policy".
 *
 * The stream gives Progress documents, which have a "status", and at last an ImagePulled. The pull goes on whether it is read or
 * not; freeing the stream ends it.
 */
int barque_image_pull(const barque_engine *engine,
                      const char *request,
                      const barque_cancel *cancel,
                      barque_stream **out,
                      barque_error **err);

/**
 * Bring an image to its registry. `request` is an ImagePush document: "Name", "AllTags", "Auth".
 *
 * The stream gives Progress documents, which have a "status", and at last an ImagePushed. The push goes on whether it is read or
 * not; freeing the stream ends it.
 */
int barque_image_push(const barque_engine *engine,
                      const char *request,
                      const barque_cancel *cancel,
                      barque_stream **out,
                      barque_error **err);

/**
 * Make an image of a root file system. `request` is an ImageImport document: "Input.Path" (a tar archive or a directory) or
 * "Input.Fd", "Reference", "Changes" …; `*out` becomes an ImageCreated: Id.
 */
int barque_image_import(const barque_engine *engine,
                        const char *request,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/**
 * Save images to one archive, which docker, podman and skopeo load too. `request` is an ImageSave document: "Names", "Platform".
 *
 * The stream gives the archive's bytes (BARQUE_CHANNEL_STDOUT); only when it ends without an error is the archive whole.
 */
int barque_image_save(const barque_engine *engine,
                      const char *request,
                      const barque_cancel *cancel,
                      barque_stream **out,
                      barque_error **err);

/**
 * Search a registry for repositories. `request` is an ImageSearch document: "Term", "Limit", "Filters", "Auth"; `*out` becomes an
 * array of SearchResult.
 */
int barque_image_search(const barque_engine *engine,
                        const char *request,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/** List images: `request` is an ImageList document, NULL for all with a name; `*out` becomes an array of ImageSummary. */
int barque_image_list(const barque_engine *engine,
                      const char *request,
                      const barque_cancel *cancel,
                      char **out,
                      barque_error **err);

/** Everything about an image: `*out` becomes an ImageInspect document. */
int barque_image_inspect(const barque_engine *engine,
                         const char *name,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/** The instructions an image was made by, newest first: `*out` becomes an array of HistoryRow. */
int barque_image_history(const barque_engine *engine,
                         const char *name,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/** Give an image another name, `reference`, with or without a tag. */
int barque_image_tag(const barque_engine *engine,
                     const char *name,
                     const char *reference,
                     const barque_cancel *cancel,
                     barque_error **err);

/**
 * Remove a name from an image, and the image when that was its last.
 *
 * `flags` is 0 or a sum of BARQUE_IMAGE_REMOVE_FORCE and BARQUE_IMAGE_REMOVE_NO_PRUNE. `*out`, which may be NULL, becomes
 * an array of ImageRemoved: what is gone.
 */
int barque_image_remove(const barque_engine *engine,
                        const char *name,
                        uint32_t flags,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/**
 * Remove what builds have left in their cache and none uses just now: `request` is a BuilderPrune document, NULL for what no image has;
 * `*out` becomes a BuilderPruned.
 */
int barque_builder_prune(const barque_engine *engine,
                         const char *request,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/**
 * Remove the images that nothing needs: `request` is an ImagePrune document, NULL for those without a tag; `*out` becomes an
 * ImagesPruned.
 */
int barque_image_prune(const barque_engine *engine,
                       const char *request,
                       const barque_cancel *cancel,
                       char **out,
                       barque_error **err);

/** Create a network: `request` is a NetworkCreate document; `*out` becomes a NetworkCreated. */
int barque_network_create(const barque_engine *engine,
                          const char *request,
                          const barque_cancel *cancel,
                          char **out,
                          barque_error **err);

/**
 * List networks: `request` is a NetworkList document, NULL for all; `*out` becomes an array of Network documents, without the
 * containers in them.
 */
int barque_network_list(const barque_engine *engine,
                        const char *request,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/**
 * A network, and the running containers in it: `*out` becomes a Network document. `network` is its name, its id or the beginning of
 * that, here and below.
 */
int barque_network_inspect(const barque_engine *engine,
                           const char *network,
                           const barque_cancel *cancel,
                           char **out,
                           barque_error **err);

/** Remove a network. BARQUE_ERR_CONFLICT while a running container is in it. `flags`: BARQUE_NETWORK_REMOVE_*. */
int barque_network_remove(const barque_engine *engine,
                          const char *network,
                          uint32_t flags,
                          const barque_cancel *cancel,
                          barque_error **err);

/**
 * Remove the networks that no container has: `request` is a NetworkPrune document, NULL for all of them; `*out` becomes a
 * NetworksPruned. "DryRun" only says what would go.
 */
int barque_network_prune(const barque_engine *engine,
                         const char *request,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/**
 * Connect a container to a network: at once if it runs, else from its next start on. `settings` is an EndpointSettings document:
 * the address that it must have and the like; or NULL.
 */
int barque_network_connect(const barque_engine *engine,
                           const char *network,
                           const char *container,
                           const char *settings,
                           const barque_cancel *cancel,
                           barque_error **err);

/** Disconnect a container from a network. `flags`: BARQUE_NETWORK_DISCONNECT_*. */
int barque_network_disconnect(const barque_engine *engine,
                              const char *network,
                              const char *container,
                              uint32_t flags,
                              const barque_cancel *cancel,
                              barque_error **err);

/** Delete from a registry a tag, or by digest a manifest with all its tags. `request` is a RegistryDelete document: "Name", "Auth". */
int barque_registry_delete(const barque_engine *engine,
                           const char *request,
                           const barque_cancel *cancel,
                           barque_error **err);

/**
 * What refers to an image at its registry: signatures, attestations. `request` is a RegistryReferrers document: "Name",
 * "ArtifactType", "Auth"; `*out` becomes an array of Referrer.
 */
int barque_registry_referrers(const barque_engine *engine,
                              const char *request,
                              const barque_cancel *cancel,
                              char **out,
                              barque_error **err);

/**
 * Ask a registry whether it takes credentials, and keep them as the docker command does. `request` is a RegistryLogin document:
 * "Auth", "CheckOnly"; `*out` becomes a RegistryLoggedIn: Status, ServerAddress, Kept.
 */
int barque_registry_login(const barque_engine *engine,
                          const char *request,
                          const barque_cancel *cancel,
                          char **out,
                          barque_error **err);

/** Forget the credentials of a registry: its name, or NULL for Docker Hub. */
int barque_registry_logout(const barque_engine *engine,
                           const char *server,
                           const barque_cancel *cancel,
                           barque_error **err);

/** The engine and this host: `*out` becomes a SystemInfo document. */
int barque_system_info(const barque_engine *engine,
                       const barque_cancel *cancel,
                       char **out,
                       barque_error **err);

/** Versions: `*out` becomes a SystemVersion document. Without an engine: barque_version. */
int barque_system_version(const barque_engine *engine,
                          const barque_cancel *cancel,
                          char **out,
                          barque_error **err);

/**
 * Events: `request` is a SystemEvents document ("Since", "Until", "Filters", "Cursor"), NULL for those from now on.
 *
 * Each item of the stream is an EventMessage document. With the "cursor" of one as "Cursor" another stream goes on behind it and
 * has left nothing out.
 */
int barque_system_events(const barque_engine *engine,
                         const char *request,
                         const barque_cancel *cancel,
                         barque_stream **out,
                         barque_error **err);

/** What the engine keeps on disk: `*out` becomes a DiskUsage document. */
int barque_system_df(const barque_engine *engine,
                     const barque_cancel *cancel,
                     char **out,
                     barque_error **err);

/**
 * Remove what nothing needs: `request` is a SystemPrune document, NULL for the containers that do not run, the images without a
 * tag and what builds have left of no image; `*out` becomes a SystemPruned.
 */
int barque_system_prune(const barque_engine *engine,
                        const char *request,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/**
 * Compare everything that is stored with its digest. `request` is a SystemCheck document ("Repair"), NULL to look only; `*out` becomes
 * a SystemChecked. That something is wrong is no error: it is in the document.
 */
int barque_system_check(const barque_engine *engine,
                        const char *request,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

/**
 * Create a volume, or find that there is one of that name: `request` is a VolumeCreate document, NULL for a new volume without
 * a name; `*out` becomes a Volume.
 */
int barque_volume_create(const barque_engine *engine,
                         const char *request,
                         const barque_cancel *cancel,
                         char **out,
                         barque_error **err);

/** List volumes: `request` is a VolumeList document, NULL for all; `*out` becomes a VolumesListed. */
int barque_volume_list(const barque_engine *engine,
                       const char *request,
                       const barque_cancel *cancel,
                       char **out,
                       barque_error **err);

/** A volume: `*out` becomes a Volume document, whose "Mountpoint" is the directory with its files. */
int barque_volume_inspect(const barque_engine *engine,
                          const char *name,
                          const barque_cancel *cancel,
                          char **out,
                          barque_error **err);

/** Remove a volume and all that is in it. BARQUE_ERR_CONFLICT while a container has it. `flags`: BARQUE_VOLUME_REMOVE_*. */
int barque_volume_remove(const barque_engine *engine,
                         const char *name,
                         uint32_t flags,
                         const barque_cancel *cancel,
                         barque_error **err);

/**
 * Remove the volumes that no container has: `request` is a VolumePrune document, NULL for those that nobody gave a name; `*out`
 * becomes a VolumesPruned. "DryRun" only says what would go.
 */
int barque_volume_prune(const barque_engine *engine,
                        const char *request,
                        const barque_cancel *cancel,
                        char **out,
                        barque_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BARQUE_H */
