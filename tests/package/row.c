/* Prints one row of a tensor, a number a line: row MODEL TENSOR ROW */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <thaw.h>

/* By its address: a text stands there only after the call. */
static void stop_at(int code, char *const *error) {
  if (code == THAW_OK) return;
  fprintf(stderr, "%s\n", *error);
  exit(code);
}

int main(int count, char **words) {
  const char *options[] = {"dtype", "float32", NULL};
  thaw_model *model = NULL;
  thaw_tensor tensor = {.struct_size = sizeof tensor};
  char *error = NULL;
  float *row;
  int64_t index;
  uint64_t k;

  if (count != 4) return THAW_USAGE;
  stop_at(thaw_open(words[1], options, &model, &error), &error);
  index = thaw_find(model, words[2]);
  if (index < 0) return THAW_INPUT;
  stop_at(thaw_describe(model, (size_t)index, &tensor, &error), &error);
  row = malloc(tensor.row_size);
  stop_at(thaw_read_rows(model, (size_t)index, strtoull(words[3], NULL, 10), 1, row,
                         tensor.row_size, &error),
          &error);
  for (k = 0; k < tensor.row_size / sizeof *row; ++k) printf("%.9g\n", row[k]);
  free(row);
  thaw_close(model);
  return 0;
}
