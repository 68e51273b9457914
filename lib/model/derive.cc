#include "model/derive.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "json/write.h"
#include "model/blocks.h"
#include "model/spec.h"
#include "model/survey.h"

namespace thaw {

namespace {

constexpr std::size_t kLineLength = 100;
constexpr std::size_t kMostParts = 64;  // beside the blocks; a real model has a dozen

// The text of a spec, in the form of the files in specs/models.
class DraftText {
 public:
  void strings(std::string_view key, const std::vector<std::string>& items) {
    if (!items.empty()) member(key, values(items));
  }
  void lists(std::string_view key, const std::vector<std::vector<std::string>>& lists) {
    std::vector<std::string> items;
    for (const std::vector<std::string>& list : lists) items.push_back(one_line(values(list)));
    member(key, items);
  }
  [[nodiscard]] std::string take() && { return "{\n" + text_ + "\n}\n"; }

 private:
  static std::vector<std::string> values(const std::vector<std::string>& items) {
    std::vector<std::string> texts(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) json::append_string(texts[i], items[i]);
    return texts;
  }

  static std::string one_line(const std::vector<std::string>& items) {
    std::string line = "[";
    for (const std::string& item : items) line.append(line.size() > 1 ? ", " : "").append(item);
    return line + "]";
  }

  void member(std::string_view key, const std::vector<std::string>& items) {
    std::string line = text_.empty() ? "  " : ",\n  ";
    const std::size_t break_size = text_.empty() ? 0 : 2;
    json::append_string(line, key);
    line += ": ";
    const std::string all = one_line(items);
    if (line.size() - break_size + all.size() < kLineLength) {
      text_ += line + all;
      return;
    }
    text_ += line + "[";
    for (std::size_t i = 0; i < items.size(); ++i) {
      text_.append(i == 0 ? "\n    " : ",\n    ").append(items[i]);
    }
    text_ += "\n  ]";
  }

  std::string text_;
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return printable(text);
}

// The modules of the blocks, sorted into the lists of a spec.
void list_modules(const std::map<std::string, BlockModule>& modules, std::uint64_t count,
                  ModelSpec& spec, std::vector<std::string>& notes) {
  std::vector<std::string> activations;
  std::vector<std::string> experts;
  for (const auto& [name, module] : modules) {
    if (module.only_scales) {
      activations.push_back(name + ".scales");
      continue;
    }
    const bool linear = module.packed || module.matrix;
    if (module.experts && !linear) experts.push_back(name);
    (linear ? spec.linears : spec.floats).push_back(name);
    if (module.blocks.size() != count) spec.optional.push_back(name);
  }
  for (auto* list : {&spec.linears, &spec.floats, &spec.optional}) {
    std::sort(list->begin(), list->end(), natural_less);
  }
  if (!activations.empty()) {
    notes.push_back("scales of activations need a rule in activation_scales: " +
                    joined(activations));
  }
  if (!experts.empty()) {
    notes.push_back("floats holds tensors of three dimensions, experts perhaps: " +
                    joined(experts));
  }
  if (!spec.optional.empty()) {
    notes.push_back(
        "optional is what some blocks here lack; other models of the family may lack "
        "more");
  }
}

std::string model_type(const Checkpoint& checkpoint, std::vector<std::string>& notes) {
  const json::Node* type = checkpoint.config().find("model_type");
  const auto name = type == nullptr ? std::nullopt : type->as_string();
  if (name && !name->empty()) return std::string(*name);
  notes.push_back("config.json has no model_type: model_types needs one");
  return "unknown";
}

std::string text_of(const ModelSpec& spec) {
  DraftText text;
  text.strings("model_types", spec.model_types);
  text.strings("layers", spec.layers);
  text.strings("layer_count", spec.layer_count);
  text.strings("extra_layer_count", spec.extra_layer_count);
  text.strings("linears", spec.linears);
  text.strings("floats", spec.floats);
  text.strings("optional", spec.optional);
  text.lists("absorbs", {});
  text.lists("prefixes", spec.prefixes);
  return std::move(text).take();
}

}  // namespace

Result<SpecDraft> derive_model_spec(FileSystem& file_system, const std::string& model) {
  THAW_ASSIGN_OR_RETURN(const Checkpoint checkpoint, open_checkpoint(file_system, model));
  const Place place{checkpoint.path(), {}};
  const LayerPath layers = find_layer_path(checkpoint);
  if (layers.path.empty()) {
    return fail(ErrorCode::input, place, "no tensor lies in a numbered block, such as layers.0.x");
  }
  SpecDraft draft;
  const std::uint64_t blocks = layers.numbers.size();
  const LayerCounts counts = find_layer_counts(checkpoint.config(), blocks);
  const std::uint64_t count = blocks - counts.extra;
  ModelSpec spec;
  spec.model_types = {model_type(checkpoint, draft.notes)};
  spec.layers = {layers.path};
  spec.layer_count = counts.keys;
  spec.extra_layer_count = counts.extra_keys;
  draft.notes.push_back("layers is the one spelling of this checkpoint: " + printable(layers.path) +
                        ", " + std::to_string(count) + " blocks");
  if (counts.keys.empty()) {
    draft.notes.push_back("no key of config.json says " + std::to_string(blocks) +
                          " layers: layer_count is left out");
  }
  list_modules(find_modules(checkpoint, layers.path, count), count, spec, draft.notes);
  if (spec.linears.empty()) {
    return fail(ErrorCode::input, place, "no linear lies below " + printable(layers.path));
  }
  for (const std::string& part : find_parts(checkpoint, layers.path)) {
    if (spec.prefixes.size() == kMostParts) break;
    spec.prefixes.push_back({part});
  }
  draft.notes.push_back("absorbs is empty: which norm feeds which linears the names do not say");
  draft.notes.push_back("prefixes has one spelling of each part");
  draft.text = text_of(spec);
  // From here on it must be a spec, and that of this checkpoint: strange names end here.
  THAW_ASSIGN_OR_RETURN(const ModelSpec parsed,
                        parse_model_spec(checkpoint.path() + " (the draft)", draft.text));
  const Result<Blocks> located = locate_blocks(parsed, checkpoint);
  if (!located.ok()) return Status(located.error());
  return draft;
}

}  // namespace thaw
