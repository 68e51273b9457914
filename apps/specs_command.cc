#include <algorithm>
#include <array>

#include "base/text.h"
#include "commands.h"
#include "io/directory.h"
#include "json_out.h"
#include "model/choose.h"
#include "model/derive.h"
#include "model_specs.h"
#include "specs_arguments.h"
#include "terminal.h"

namespace thaw::app {

namespace {

constexpr std::uint64_t kMostBytes = 1u << 20;  // of a spec file

std::string list_json(const std::vector<ModelSpec>& specs) {
  JsonOut out;
  out.begin_object();
  out.begin_array("specs");
  for (const ModelSpec& spec : specs) {
    out.begin_object();
    out.member("name", spec.name);
    out.member("file", spec.file);
    out.member("model_types", spec.model_types);
    out.member("layers", spec.layers);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return std::move(out).take();
}

// Name, path of the layers as it is mostly spelled, model types.
std::string list_text(const std::vector<ModelSpec>& specs) {
  std::vector<std::array<std::string, 3>> rows = {{"name", "layers", "model types"}};
  for (const ModelSpec& spec : specs) {
    std::string types;
    for (const std::string& type : spec.model_types) {
      types.append(types.empty() ? "" : ", ").append(printable(type));
    }
    rows.push_back({printable(spec.name), printable(spec.layers[0]), types});
  }
  std::array<std::size_t, 2> widths = {};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text.append(row[i]).append(widths[i] + 2 - row[i].size(), ' ');
    }
    text.append(row[2]).append("\n");
  }
  return text;
}

// The file of one spec, as it is, after it was found to be one.
Result<std::string> file_text(const std::string& directory, const std::string& name) {
  THAW_ASSIGN_OR_RETURN(const ModelSpec spec,
                        choose_model_spec(real_file_system(), directory, name, ""));
  return read_file(real_file_system(), spec.file, kMostBytes);
}

Result<std::string> derived_text(const std::string& model) {
  THAW_ASSIGN_OR_RETURN(SpecDraft draft, derive_model_spec(real_file_system(), model));
  for (const std::string& note : draft.notes) write_stderr("thaw: check: " + note + "\n");
  return std::move(draft.text);
}

Result<std::string> specs_text(const SpecsArguments& arguments) {
  if (arguments.help) return specs_help().text;
  if (!arguments.derive.empty()) return derived_text(arguments.derive);
  const std::string directory = model_specs_directory();
  if (!arguments.name.empty()) return file_text(directory, arguments.name);
  THAW_ASSIGN_OR_RETURN(const std::vector<ModelSpec> specs,
                        load_model_specs(real_file_system(), directory));
  return arguments.json ? list_json(specs) : list_text(specs);
}

}  // namespace

int run_specs(const std::vector<std::string>& words) {
  const Result<SpecsArguments> arguments = parse_specs(words);
  if (!arguments.ok()) return print_error(arguments.error());
  const Result<std::string> text = specs_text(arguments.value());
  if (!text.ok()) return print_error(text.error());
  const Status written =
      arguments.value().help ? write_stdout_facts(text.value()) : write_stdout(text.value());
  return written.ok() ? 0 : print_error(written.error());
}

}  // namespace thaw::app
