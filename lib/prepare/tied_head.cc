#include "prepare/tied_head.h"

#include "base/text.h"
#include "model/embeddings.h"

namespace thaw {

void warn_of_tied_head(const Checkpoint& checkpoint, QuantizedLinears& linears) {
  if (!ties_embeddings(checkpoint.config()).value_or(false)) return;
  for (const QuantizedLinear& linear : linears.linears) {
    if (!is_output_head(linear.module) ||
        linear.module.find(".layers.") != std::string_view::npos) {
      continue;
    }
    linears.warnings.push_back(
        printable(linear.module) +
        " is quantized with values of its own, but config.json ties the head to the embeddings "
        "(tie_word_embeddings is true): readers use the embeddings and ignore " +
        printable(linear.module) +
        ".weight; where it is meant, set tie_word_embeddings to false in the output's config.json");
  }
}

}  // namespace thaw
