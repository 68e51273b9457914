#include "prepare/part_option.h"

#include <charconv>
#include <string_view>

#include "base/text.h"

namespace thaw {

namespace {

std::optional<unsigned> number(std::string_view word, unsigned most) {
  unsigned value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, value);
  if (problem != std::errc() || stop != end || value > most) return std::nullopt;
  return value;
}

Result<unsigned> scheduler_number(const char* name, const Variable& variable,
                                  std::string_view where) {
  constexpr unsigned kMost = 4'000'000'000;
  const char* const word = variable(name);
  if (word == nullptr || *word == '\0') {
    return fail(ErrorCode::usage, {}, std::string("--part auto: ") + name + " is not set", where);
  }
  const std::optional<unsigned> value = number(word, kMost);
  if (value) return *value;
  return fail(ErrorCode::usage, {}, name, printable(word), "a number");
}

Result<Part> slurm_part(const Variable& variable) {
  constexpr std::string_view kWhere =
      "It takes a task of a Slurm array; say --part auto/N in a Kubernetes Job, else --part I/N.";
  THAW_ASSIGN_OR_RETURN(const unsigned id,
                        scheduler_number("SLURM_ARRAY_TASK_ID", variable, kWhere));
  THAW_ASSIGN_OR_RETURN(const unsigned first,
                        scheduler_number("SLURM_ARRAY_TASK_MIN", variable, kWhere));
  THAW_ASSIGN_OR_RETURN(const unsigned count,
                        scheduler_number("SLURM_ARRAY_TASK_COUNT", variable, kWhere));
  if (count == 0 || count > kMostParts || id < first || id - first >= count) {
    return fail(ErrorCode::usage, {}, "--part auto: the numbers of the Slurm array",
                "task " + std::to_string(id) + ", the first of " + std::to_string(count) + " is " +
                    std::to_string(first),
                "at most 10000 that follow each other, such as --array=1-8");
  }
  return Part{.index = id - first + 1, .count = count};
}

Result<Part> kubernetes_part(unsigned count, const Variable& variable) {
  THAW_ASSIGN_OR_RETURN(
      const unsigned index,
      scheduler_number("JOB_COMPLETION_INDEX", variable, "The Job needs completionMode: Indexed."));
  if (index < count) return Part{.index = index + 1, .count = count};
  return fail(ErrorCode::usage, {}, "JOB_COMPLETION_INDEX", std::to_string(index),
              "a number below " + std::to_string(count) + ", the N of --part auto/N");
}

}  // namespace

Result<Part> parse_part(const std::string& word, const Variable& variable) {
  if (word == "auto") return slurm_part(variable);
  const std::size_t slash = word.find('/');
  if (slash != std::string::npos) {
    const std::string_view before = std::string_view(word).substr(0, slash);
    const std::optional<unsigned> count =
        number(std::string_view(word).substr(slash + 1), kMostParts);
    const std::optional<unsigned> index = number(before, kMostParts);
    if (count && *count != 0 && before == "auto") return kubernetes_part(*count, variable);
    if (count && index && *index != 0 && *index <= *count) {
      return Part{.index = *index, .count = *count};
    }
  }
  return fail(ErrorCode::usage, {}, "--part", printable(word),
              "I/N with I from 1 to N and N up to 10000, auto, or auto/N");
}

Status check_part_options(const ConvertOptions& options, std::optional<StreamFormat> format) {
  if (!options.part && !options.finish) return {};
  const std::string name = options.part ? "--part" : "--finish";
  if (options.part && options.finish) {
    return fail(ErrorCode::usage, {}, "--part does not go with --finish",
                "A part publishes by itself when it is the last one.");
  }
  if (format) {
    return fail(ErrorCode::usage, {}, name + " is of conversions into a directory",
                "An archive is one stream: parts of it cannot be written side by side.");
  }
  if (options.in_place) {
    return fail(ErrorCode::usage, {}, name + " does not go with --in-place",
                "The parts read the base that would be replaced: name an OUT.");
  }
  if (options.finish && options.restart) {
    return fail(ErrorCode::usage, {}, "--finish does not go with --restart",
                "It publishes what the parts have made.");
  }
  return {};
}

}  // namespace thaw
