#include "prepare/output_format.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "io/directory.h"
#include "sink/zstd_stream.h"

namespace thaw {

namespace {

struct Ending {
  std::string_view text;
  StreamFormat format;
};
// The longer of two that both fit first.
constexpr std::array<Ending, 3> kEndings = {{{".tar.zst", StreamFormat::tar_zst},
                                             {".tar", StreamFormat::tar},
                                             {".safetensors", StreamFormat::safetensors}}};

const Ending* ending_of(std::string_view path) {
  for (const Ending& ending : kEndings) {
    if (path.size() > ending.text.size() && path.ends_with(ending.text)) return &ending;
  }
  return nullptr;
}

Status refuse(std::string_view what, std::string_view hint = {}) {
  return fail(ErrorCode::usage, {}, what, hint);
}

Status check_belongs(const ConvertOptions& options, std::optional<StreamFormat> format) {
  const bool archive = format && *format != StreamFormat::safetensors;
  if (options.level && format != StreamFormat::tar_zst) {
    return refuse("--level is of --to tar.zst");
  }
  if (options.level && (*options.level < kLeastLevel || *options.level > kMostLevel)) {
    return fail(ErrorCode::usage, {}, "--level", std::to_string(*options.level),
                "a number from 1 to 22");
  }
  if (!options.archive_root.empty() && !archive) {
    return refuse("--archive-root is of --to tar and tar.zst");
  }
  if (!format) return {};
  const std::array<std::pair<bool, const char*>, 4> of_directories = {
      {{options.in_place, "--in-place"},
       {options.restart, "--restart"},
       {options.checksums, "--checksums"},
       {options.verify, "--verify"}}};
  for (const auto& [given, name] : of_directories) {
    if (given) return refuse(std::string(name) + " is of conversions into a directory");
  }
  if (options.force && options.out == kStandardOutput) {
    return refuse("--force needs a file to replace");
  }
  return {};
}

std::string_view base_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

bool is_folder_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

// What MODEL is called: its last name, without the revision of a model in the cache.
std::string model_name(const std::string& model, const Checkpoint& checkpoint) {
  std::string_view name = base_name(model);
  const std::string resolved = resolved_path(model);
  if (!is_folder_name(name)) name = base_name(resolved);
  if (!exists(model)) name = name.substr(0, name.find('@'));
  if (!checkpoint.is_directory() && ending_of(name) != nullptr) {
    name.remove_suffix(ending_of(name)->text.size());
  }
  return std::string(name);
}

}  // namespace

std::string_view format_name(std::optional<StreamFormat> format) {
  if (!format) return "directory";
  return *format == StreamFormat::tar       ? "tar"
         : *format == StreamFormat::tar_zst ? "tar.zst"
                                            : "safetensors";
}

Result<std::optional<StreamFormat>> choose_format(const ConvertOptions& options) {
  std::optional<StreamFormat> format = options.to;
  if (options.out == kStandardOutput) {
    if (!format) {
      return refuse("OUT is -, standard output: --to is missing",
                    "Say --to tar, tar.zst or safetensors; a directory of that name is ./-");
    }
  } else if (const Ending* ending = ending_of(options.out)) {
    if (format && *format != ending->format) {
      return fail(ErrorCode::usage, {.file = options.out, .tensor = {}}, "the ending of OUT",
                  ending->text, format_name(format));
    }
    // A single shard leaves out the config: that has to be asked for.
    if (ending->format != StreamFormat::safetensors) format = ending->format;
  }
  THAW_RETURN_IF_ERROR(check_belongs(options, format));
  return format;
}

Result<std::string> choose_archive_root(const ConvertOptions& options,
                                        const Checkpoint& checkpoint) {
  if (!options.archive_root.empty()) {
    if (is_folder_name(options.archive_root)) return options.archive_root;
    return fail(ErrorCode::usage, {}, "--archive-root", printable(options.archive_root),
                "one name, without slashes");
  }
  std::string name;
  if (!options.out.empty() && options.out != kStandardOutput) {
    std::string_view out = base_name(options.out);
    if (const Ending* ending = ending_of(out)) out.remove_suffix(ending->text.size());
    name = out;
  } else {
    name = model_name(options.model, checkpoint);
  }
  if (is_folder_name(name)) return name;
  return refuse("the archive's top folder has no name", "Give it one with --archive-root.");
}

Status check_only_shard(const Plan& plan) {
  if (plan.files.size() == 1) return {};
  return fail(ErrorCode::usage, {}, "the number of output files for --to safetensors",
              std::to_string(plan.files.size()) + " shards",
              "1; try a larger --max-shard-size, or --to tar");
}

Result<MemoryPlan> plan_memory_for(const Plan& plan, MemoryRequest request,
                                   std::optional<StreamFormat> format, int level) {
  if (!format) return plan_memory(plan, request);
  request.ordered = true;
  request.stream = kStreamBytes;
  if (*format != StreamFormat::tar_zst) return plan_memory(plan, request);
  const auto at_level = [&](int at) {
    request.compressor = [at](unsigned workers) { return zstd_memory(at, workers); };
    return plan_memory(plan, request);
  };
  Result<MemoryPlan> memory = at_level(level);
  if (memory.ok()) return memory;
  Error error = std::move(memory).take_status().take_error();
  for (int lower = level - 1; lower >= kLeastLevel; --lower) {
    if (!at_level(lower).ok()) continue;
    error.hint += " Or use --level " + std::to_string(lower) + ", which fits.";
    break;
  }
  return Status(std::move(error));
}

}  // namespace thaw
