#include "compare/inspect.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "compare/layer_name.h"
#include "prepare/findings.h"
#include "prepare/own_adapters.h"
#include "prepare/prepare.h"
#include "prepare/scale_scan.h"
#include "prepare/summarize.h"
#include "quant/closed_world.h"
#include "quant/name_pattern.h"

namespace thaw {

namespace {

void add_problems(const Error& error, Inspection& inspection) {
  auto& problems = inspection.problems;
  problems.insert(problems.end(), error.messages.begin(), error.messages.end());
  if (!error.hint.empty()) problems.push_back(error.hint);
}

// "8 columns of scales for a word of qweight: qweight I32 [384, 16], scales F16 [6, 128]".
std::string reason_of(const QuantizedLinear& linear) {
  std::string text(linear.reason);
  const char* separator = text.empty() ? "" : ": ";
  for (const PackedOperand& operand : linear.operands) {
    if (operand.tensor == nullptr) continue;
    const Tensor& tensor = *operand.tensor;
    const std::string_view suffix = tensor.name.substr(tensor.name.rfind('.') + 1);
    text += separator + printable(suffix) + " " + std::string(dtype_name(tensor.dtype)) + " " +
            shape_text(tensor.shape);
    separator = ", ";
  }
  return text;
}

void add_contradictions(std::vector<std::string> found, LinearGroup& group) {
  for (std::string& one : found) {
    auto& known = group.contradictions;
    if (std::find(known.begin(), known.end(), one) == known.end()) known.push_back(std::move(one));
  }
}

void add_groups(const Checkpoint& checkpoint, const QuantizedLinears& linears,
                Inspection& inspection) {
  using Key = std::tuple<std::string, std::string_view, std::uint32_t, std::uint64_t, std::uint64_t,
                         std::uint64_t, bool, bool, Dtype>;
  std::map<Key, LinearGroup> groups;
  std::vector<const QuantizedLinear*> scanned;
  for (const QuantizedLinear& linear : linears.linears) scanned.push_back(&linear);
  Result<std::vector<ScaleFlaws>> flaws = scan_scales(checkpoint, scanned);
  if (!flaws.ok()) {
    add_problems(flaws.error(), inspection);
  } else if (auto warning = find_bad_scales(checkpoint, flaws.value())) {
    inspection.warnings.push_back(std::move(*warning));
  }
  for (std::size_t i = 0; i < scanned.size(); ++i) {
    const QuantizedLinear& linear = *scanned[i];
    const bool symmetric = linear.is_symmetric();
    const bool untransposed = linear.layout->rows_are_inputs;
    const Key key{printable(name_pattern(linear.module)),
                  linear.layout->title,
                  linear.bits,
                  linear.in_features,
                  linear.out_features,
                  linear.group_size,
                  symmetric,
                  untransposed,
                  linear.scale_dtype};
    LinearGroup& group = groups[key];
    if (group.count++ == 0) {
      group.layout = linear.layout->name;
      group.title = title_of(linear);
      group.modules = std::get<0>(key);
      group.bits = linear.bits;
      group.untransposed = untransposed;
      group.in_features = untransposed ? linear.out_features : linear.in_features;
      group.out_features = untransposed ? linear.in_features : linear.out_features;
      group.group_size = linear.group_size;
      group.symmetric = symmetric;
      group.scale_dtype = dtype_name(linear.scale_dtype);
      group.reason = reason_of(linear);
    }
    add_contradictions(contradictions(linears.config, linear), group);
    if (linear.zeros_wrap && group.wrapped_zeros++ == 0) {
      group.first_wrapped = printable(linear.module);
    }
    if (flaws.ok()) group.flaws.add(flaws.value()[i]);
    group.packed_bytes += packed_bytes(linear);
    group.float_bytes += linear.in_features * linear.out_features * 2;
  }
  for (auto& [key, group] : groups) inspection.groups.push_back(std::move(group));
}

// What the config claims: AWQ's layout, or GPTQ's format.
std::string version_of(const QuantConfig& config) {
  if (config.packing == Packing::gptq) return "gptq";
  if (config.packing == Packing::gptq_v2) return "gptq_v2";
  return printable(config.version);
}

void add_other_tensors(const Checkpoint& checkpoint, const QuantizedLinears& linears,
                       Inspection& inspection) {
  std::map<std::string, DtypeCount> counts;
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    if (i < linears.consumed.size() && linears.consumed[i] == 1) continue;
    const Tensor& tensor = checkpoint.tensors()[i];
    DtypeCount& count = counts[std::string(dtype_name(tensor.dtype))];
    count.dtype = dtype_name(tensor.dtype);
    ++count.tensors;
    count.bytes += tensor.size();
  }
  for (auto& [name, count] : counts) inspection.other_tensors.push_back(std::move(count));
}

void add_tensors(const Checkpoint& checkpoint, const QuantizedLinears& linears,
                 Inspection& inspection) {
  auto& tensors = inspection.tensors;
  for (const QuantizedLinear& linear : linears.linears) {
    InspectedTensor& found = tensors.emplace_back();
    found.name = weight_name(linear);
    found.layout = title_of(linear);
    found.bits = linear.bits;
    found.group_size = linear.group_size;
    found.shape = weight_shape(linear);
    found.bytes = packed_bytes(linear);
    found.float_bytes = linear.in_features * linear.out_features * 2;
  }
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    if (i < linears.consumed.size() && linears.consumed[i] == 1) continue;
    const Tensor& tensor = checkpoint.tensors()[i];
    InspectedTensor& found = tensors.emplace_back();
    found.name = tensor.name;
    found.layout = dtype_name(tensor.dtype);
    found.shape.assign(tensor.shape.begin(), tensor.shape.end());
    found.bytes = tensor.size();
  }
  for (InspectedTensor& tensor : tensors) tensor.layer = split_layer(tensor.name).layer;
  std::sort(tensors.begin(), tensors.end(), [](const InspectedTensor& x, const InspectedTensor& y) {
    return natural_less(x.name, y.name);
  });
}

void add_shards(const Checkpoint& checkpoint, Inspection& inspection) {
  for (const Shard& shard : checkpoint.shards()) {
    inspection.shards.push_back({printable(shard.name), shard.file.size(), 0});
  }
  for (const Tensor& tensor : checkpoint.tensors()) ++inspection.shards[tensor.shard].tensors;
}

// Where a config was refused, nobody has looked at the tensors yet.
void add_unknown_tensors(const Checkpoint& checkpoint, Inspection& inspection) {
  auto& problems = inspection.problems;
  for (std::string& line : list_unknown_tensors(checkpoint)) {
    if (std::find(problems.begin(), problems.end(), line) == problems.end()) {
      problems.push_back(std::move(line));
    }
  }
}

}  // namespace

Result<Inspection> inspect(const std::string& model, FileSystem& file_system,
                           const std::string& model_specs) {
  Inspection inspection;
  inspection.model = printable(model);
  ConvertOptions options;
  options.model = model;
  options.model_specs = model_specs;
  Result<std::unique_ptr<Prepared>> prepared = prepare(options, file_system);
  if (prepared.ok()) {
    const Prepared& ready = *prepared.value();
    add_shards(ready.checkpoint, inspection);
    add_other_tensors(ready.checkpoint, ready.linears, inspection);
    add_tensors(ready.checkpoint, ready.linears, inspection);
    inspection.config_source = printable(ready.linears.config.source);
    inspection.method = printable(ready.linears.config.method);
    inspection.version = version_of(ready.linears.config);
    inspection.warnings = ready.linears.warnings;
    inspection.notes = ready.linears.notes;
    inspection.warnings.insert(inspection.warnings.end(), ready.findings.begin(),
                               ready.findings.end());
    add_groups(ready.checkpoint, ready.linears, inspection);
    inspection.plan = summarize(ready, options);
    return inspection;
  }
  // Tell as much as can be told of what cannot be converted.
  THAW_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                        open_checkpoint(file_system, model, {.this_file_only = true}));
  add_problems(prepared.error(), inspection);
  add_unknown_tensors(checkpoint, inspection);
  add_shards(checkpoint, inspection);
  QuantizedLinears linears;
  FindOptions how;
  OwnSpec spec(checkpoint, options.model_specs, file_system);
  if (Result<OwnAdapters> own = find_own_adapters(checkpoint, spec); own.ok()) {
    how.is_part_of_model = std::move(own).value();
  }
  if (Result<QuantizedLinears> found = find_quantized_linears(checkpoint, how); found.ok()) {
    linears = std::move(found).value();
    inspection.warnings = linears.warnings;
    inspection.config_source = printable(linears.config.source);
    inspection.method = printable(linears.config.method);
    inspection.version = version_of(linears.config);
  }
  const std::vector<std::string> findings = find_oddities(checkpoint, linears, nullptr);
  inspection.warnings.insert(inspection.warnings.end(), findings.begin(), findings.end());
  add_groups(checkpoint, linears, inspection);
  add_other_tensors(checkpoint, linears, inspection);
  add_tensors(checkpoint, linears, inspection);
  return inspection;
}

}  // namespace thaw
