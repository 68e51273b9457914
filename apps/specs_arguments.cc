#include "specs_arguments.h"

#include "base/text.h"
#include "words.h"

namespace thaw::app {

namespace {

OptionTable specs_table(SpecsArguments& to) {
  OptionTable table;
  auto add = table.add_options();
  add("derive", text(to.derive, "MODEL"), "draft a spec from the tensor names of MODEL");
  add("json", flag(to.json), "list the specs as JSON");
  add("help,h", flag(to.help), "print this");
  return table;
}

}  // namespace

Result<SpecsArguments> parse_specs(const std::vector<std::string>& words) {
  const std::string command = "thaw specs";
  SpecsArguments arguments;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse_words(words, specs_table(arguments), command));
  if (arguments.help) return arguments;
  if (names.size() > 1) {
    return usage_error("one word too many: " + printable(names[1]), command);
  }
  if (!names.empty()) {
    if (names[0].empty()) return usage_error("NAME is empty", command);
    if (!arguments.derive.empty()) {
      return usage_error("NAME and --derive exclude each other", command);
    }
    arguments.name = names[0];
  }
  if (arguments.json && !(arguments.name.empty() && arguments.derive.empty())) {
    return usage_error("--json is for the list: one spec is JSON already", command);
  }
  return arguments;
}

CommandHelp specs_help() {
  SpecsArguments arguments;
  return command_help(
      "thaw specs [--json]\n"
      "thaw specs NAME\n"
      "thaw specs --derive MODEL\n\n"
      "Lists the known model specs; prints the file of one; or drafts one. NAME is a spec's name,\n"
      "a model type or the path of a file. MODEL is a directory, a .safetensors file, or\n"
      "org/name[@revision] in the local Hugging Face cache.\n",
      specs_table(arguments));
}

}  // namespace thaw::app
