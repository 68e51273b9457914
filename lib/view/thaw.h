/* thaw.h: a quantized checkpoint, read as the float one that it stands for.
 *
 *     thaw_model *model;
 *     char *error;
 *     if (thaw_open("org/name-AWQ", NULL, &model, &error) != THAW_OK) {
 *       fprintf(stderr, "%s\n", error);
 *       thaw_free(error);
 *     }
 *     int64_t at = thaw_find(model, "model.layers.0.mlp.up_proj.weight");
 *     thaw_read_rows(model, at, 0, 1, row, sizeof row, &error);
 *     thaw_close(model);
 *
 * Nothing is written anywhere. The values are those that `thaw convert` writes, to the bit; the
 * same options choose among them. What the library promises, and what it needs of memory, is in
 * specs/view.md.
 *
 * THREADS. Every function may be called from any thread; any number of threads may read one model
 * at once. Only thaw_close() must be the last call for its model. A forked child may go on reading
 * if no call was under way in the moment of the fork.
 *
 * ERRORS. A function that can fail returns one of the codes below and, where `error` is not NULL,
 * stores there a text of one or more lines, without a newline at its end, that says which file,
 * which tensor and what was wrong; a last line that begins with "hint: " says what to do. Names
 * from files are made safe for a terminal. The caller frees it by thaw_free(). Where nothing
 * failed, NULL is stored. Nothing is ever printed, and the process is never ended; handlers of
 * signals are neither installed nor needed. What an output parameter points to is not changed by a
 * call that fails, except the memory that bytes are read into, whose content is then undefined.
 *
 * VERSIONS. thaw_interface_version() is THAW_INTERFACE_VERSION of the header that the library was
 * built with. A library of a later version has all functions of the earlier ones, with the same
 * meaning; a structure that grows does so at its end, and its `struct_size` says what the caller
 * knows of it.
 */
#ifndef THAW_H
#define THAW_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define THAW_API __attribute__((visibility("default")))
#else
#define THAW_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define THAW_INTERFACE_VERSION 1

/* The codes of errors are the exit codes of the program (specs/errors.md). */
enum {
  THAW_OK = 0,
  THAW_BUG = 1,     /* a mistake in thaw */
  THAW_USAGE = 2,   /* an option that there is not, an index out of range, too little room */
  THAW_INPUT = 3,   /* the checkpoint is damaged, incomplete or not understood */
  THAW_NUMBERS = 4, /* a finite value is too large for the type that was asked for */
  THAW_IO = 5,      /* the system could not read, or a file has changed since it was opened */
  THAW_NO_SPACE = 6 /* memory, or another limit of the system */
};

/* A model that is open. */
typedef struct thaw_model thaw_model;

/* One tensor. The pointers stay valid until thaw_close(). */
typedef struct thaw_tensor {
  size_t struct_size;    /* set by the caller: sizeof(thaw_tensor) */
  const char* name;      /* UTF-8, as in the checkpoint */
  const char* dtype;     /* as safetensors calls it: "BF16", "F16", "F32", "I64", ... */
  const uint64_t* shape; /* `rank` numbers */
  size_t rank;
  uint64_t size;     /* bytes of the tensor */
  uint64_t rows;     /* its first dimension; 1 where rank is 0 */
  uint64_t row_size; /* bytes of a row; 0 where the tensor has none */
  size_t file;       /* index of the file that a conversion would write it to */
  uint64_t offset;   /* its first byte in that file */
} thaw_tensor;

/* One file that a conversion would write: config, index, shards, side files. */
typedef struct thaw_file {
  size_t struct_size; /* set by the caller: sizeof(thaw_file) */
  const char* name;   /* below the directory, with '/' */
  uint64_t size;      /* bytes */
  uint64_t tensors;   /* that it holds; 0: it is no shard */
} thaw_file;

/* The version of the library, "0.1.0", and of this interface. Neither is to be freed. */
THAW_API const char* thaw_version(void);
THAW_API int thaw_interface_version(void);

/* Opens a model: a directory, a .safetensors file, or org/name[@revision] in the Hugging Face
 * cache. `options` is NULL, or names of options of `thaw convert` without their dashes, each
 * followed by its value ("true" of a switch), ended by NULL: {"dtype", "bfloat16", "memory", "1GB",
 * NULL}. Those that only say where and how output is written are refused. "models" is the directory
 * of model specs, which the library else finds beside itself. Reads headers and configs, not the
 * tensors. */
THAW_API int thaw_open(const char* model, const char* const* options, thaw_model** opened,
                       char** error);
/* Ends all that was got from the model. NULL is allowed. */
THAW_API void thaw_close(thaw_model* model);

/* What a conversion would have warned of: read it once after opening. NULL beyond the last. */
THAW_API const char* thaw_warning(const thaw_model* model, size_t index);

/* Tensors are numbered from 0 in natural order of their names ("layers.2" before "layers.10"). */
THAW_API size_t thaw_tensor_count(const thaw_model* model);
THAW_API int thaw_describe(const thaw_model* model, size_t tensor, thaw_tensor* described,
                           char** error);
/* The number of the tensor of that name; -1: there is none. */
THAW_API int64_t thaw_find(const thaw_model* model, const char* name);

/* Reads rows [first, first + count) into the `room` bytes at `to`, which must be enough: row-major
 * and little-endian, as in a safetensors file. `to` may have any alignment; 64 is best. Many rows
 * are made by several threads. */
THAW_API int thaw_read_rows(const thaw_model* model, size_t tensor, uint64_t first, uint64_t count,
                            void* to, size_t room, char** error);

/* The files, in the order in which a conversion writes them, and any bytes of one. */
THAW_API size_t thaw_file_count(const thaw_model* model);
THAW_API int thaw_describe_file(const thaw_model* model, size_t file, thaw_file* described,
                                char** error);
THAW_API int thaw_read_file(const thaw_model* model, size_t file, uint64_t offset, uint64_t size,
                            void* to, char** error);

/* Frees a text that was stored in an `error`. NULL is allowed. */
THAW_API void thaw_free(char* error);

#ifdef __cplusplus
}
#endif
#endif
