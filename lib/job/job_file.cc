#include "job/job_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "json/line.h"
#include "json/node.h"
#include "prepare/option_table.h"

namespace thaw {

namespace {

constexpr std::size_t kMostBytes = 1u << 20;
constexpr std::int64_t kMostRetries = 1000;
constexpr std::int64_t kMostDelay = 7 * 24 * 3600;

std::string directory_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

// Names are file names of states and labels of metrics.
bool is_file_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

// Reads one file. Every problem is noted with its line and column, and reading goes on.
class JobReader {
 public:
  JobReader(const std::string& file, std::string_view text) : file_(file), text_(text) {}

  Job read(const json::Node& root) {
    Job job;
    job.file = file_;
    job.name = file_.substr(directory_of(file_).size());
    if (job.name.ends_with(".json")) job.name.resize(job.name.size() - 5);
    if (!root.is_object()) {
      add(root.begin, "a job is an object");
      return job;
    }
    for (const auto& [key, value] : root.members) read_member(key, value, job);
    if (root.find("name") == nullptr && !is_file_name(job.name)) {
      add(root.begin, "\"name\" is missing, and the file's own name cannot serve");
    }
    if (root.find("input") == nullptr) add(root.begin, "\"input\" is missing");
    if (root.find("output") == nullptr && !job.options.in_place) {
      add(root.begin, "\"output\" is missing");
    }
    return job;
  }

  Status take_errors() { return errors_.take(); }

 private:
  void add(std::size_t offset, const std::string& what) {
    std::string message = json::line_and_column(text_, offset);
    message.append(": ").append(what);
    errors_.add(fail(ErrorCode::usage, Place{file_, {}}, message));
  }

  void read_member(const std::string& key, const json::Node& value, Job& job) {
    if (key == "$schema") {
      static_cast<void>(text(key, value));
    } else if (key == "name") {
      job.name = text(key, value);
      if (!is_file_name(job.name)) {
        add(value.begin, "\"name\" is up to 100 letters, digits, dots, - and _, no dot first");
      }
    } else if (key == "input") {
      job.options.model = existing_path(text(key, value));
    } else if (key == "output") {
      job.options.out = path(text(key, value));
    } else if (key == "report") {
      job.report = path(text(key, value));
    } else if (key == "retry") {
      read_retry(value, job);
    } else if (key == "hooks") {
      read_hooks(value, job);
    } else if (key == "keep-going") {
      job.keep_going = boolean(key, value);
    } else if (const OptionEntry* option = find_option(key);
               option != nullptr && option->scope == Scope::by_hand) {
      add(value.key_begin, in_quotes(key) + " is not for job files: a job makes a whole output");
    } else if (option != nullptr) {
      read_option(*option, value, job);
    } else {
      add(value.key_begin, in_quotes(key) + " is no key of a job file");
    }
  }

  void read_option(const OptionEntry& option, const json::Node& value, Job& job) {
    const std::string key(option.name);
    std::string word;
    if (option.value.empty()) {
      word = boolean(key, value) ? "true" : "false";
    } else if (value.kind == json::Kind::integer) {
      word = std::to_string(value.integer);
    } else {
      word = text(key, value);
    }
    if (key == "base") word = existing_path(word);
    if (Status applied = option.apply(job.options, word); !applied.ok()) {
      add(value.begin, applied.error().messages.front());
    }
    if (key == "memory") job.sets_memory = true;
    if (key == "threads") job.sets_threads = true;
  }

  void read_retry(const json::Node& node, Job& job) {
    if (!node.is_object())
      return add(node.begin, "\"retry\" is an object of \"times\" and \"delay\"");
    for (const auto& [key, value] : node.members) {
      if (key == "times") {
        job.retries = static_cast<unsigned>(number(key, value, kMostRetries));
      } else if (key == "delay") {
        job.retry_delay = static_cast<std::uint64_t>(number(key, value, kMostDelay));
      } else {
        add(value.key_begin, in_quotes(key) + " is no key of \"retry\"");
      }
    }
  }

  void read_hooks(const json::Node& node, Job& job) {
    if (!node.is_object()) {
      return add(node.begin, "\"hooks\" is an object of \"success\" and \"failure\"");
    }
    for (const auto& [key, value] : node.members) {
      if (key == "success") {
        job.on_success = command(key, value);
      } else if (key == "failure") {
        job.on_failure = command(key, value);
      } else {
        add(value.key_begin, in_quotes(key) + " is no key of \"hooks\"");
      }
    }
  }

  std::vector<std::string> command(const std::string& key, const json::Node& node) {
    std::vector<std::string> words;
    if (node.kind != json::Kind::array || node.items.empty()) {
      add(node.begin,
          in_quotes(key) + " is an array: a program and its arguments, no shell command");
      return words;
    }
    for (const json::Node& item : node.items) {
      if (item.kind != json::Kind::string || item.string.find('\0') != std::string::npos ||
          (words.empty() && item.string.empty())) {
        add(item.begin, in_quotes(key) + " holds something that cannot be a word of a command");
      }
      words.push_back(item.string);
    }
    return words;
  }

  std::string text(const std::string& key, const json::Node& node) {
    if (node.kind == json::Kind::string && !node.string.empty() &&
        node.string.find('\0') == std::string::npos) {
      return node.string;
    }
    add(node.begin, in_quotes(key) + " is a string that is not empty");
    return {};
  }

  bool boolean(const std::string& key, const json::Node& node) {
    if (node.kind != json::Kind::boolean) add(node.begin, in_quotes(key) + " is true or false");
    return node.boolean;
  }

  std::int64_t number(const std::string& key, const json::Node& node, std::int64_t most) {
    if (node.kind == json::Kind::integer && node.integer >= 0 && node.integer <= most) {
      return node.integer;
    }
    add(node.begin, in_quotes(key) + " is a number from 0 to " + std::to_string(most));
    return 0;
  }

  // A job runs from wherever a scheduler starts it: paths count from the file.
  [[nodiscard]] std::string path(const std::string& word) const {
    return word.empty() || word.front() == '/' ? word : directory_of(file_) + word;
  }
  // The same of what is there; else it may be org/name of the cache, and is left alone.
  [[nodiscard]] std::string existing_path(const std::string& word) const {
    const std::string candidate = path(word);
    return exists(candidate) || word.starts_with("./") || word.starts_with("../") ? candidate
                                                                                  : word;
  }

  const std::string& file_;
  std::string_view text_;
  ErrorList errors_;
};

// What is wrong with a job file is wrong with how thaw was called.
Status as_usage(Status status) {
  Error error = std::move(status).take_error();
  if (error.code == ErrorCode::input) error.code = ErrorCode::usage;
  return Status(std::move(error));
}

}  // namespace

Result<Job> parse_job_file(const std::string& file, std::string_view text) {
  Result<json::Node> root =
      json::parse(file, text, {.most_depth = 8, .most_bytes = kMostBytes, .lines = true});
  if (!root.ok()) return as_usage(std::move(root).take_status());
  JobReader reader(file, text);
  Job job = reader.read(root.value());
  THAW_RETURN_IF_ERROR(reader.take_errors());
  return job;
}

Result<Job> load_job_file(FileSystem& file_system, const std::string& path) {
  Result<std::string> text = read_file(file_system, path, kMostBytes);
  if (!text.ok()) return as_usage(std::move(text).take_status());
  return parse_job_file(path, text.value());
}

Result<std::vector<std::string>> find_job_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  ErrorList errors;
  for (const std::string& path : paths) {
    const std::optional<FileKind> kind = file_kind(path);
    if (!kind) {
      errors.add(fail(ErrorCode::usage, {path, {}}, "no such job file or directory"));
    } else if (*kind != FileKind::directory) {
      files.push_back(path);
    } else {
      THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path));
      std::vector<std::string> found;
      for (const DirectoryEntry& entry : entries) {
        if (entry.kind == FileKind::regular && entry.name.ends_with(".json") &&
            entry.name.front() != '.') {
          found.push_back(path.ends_with('/') ? path + entry.name : path + "/" + entry.name);
        }
      }
      if (found.empty()) errors.add(fail(ErrorCode::usage, {path, {}}, "holds no job (*.json)"));
      std::sort(found.begin(), found.end(), natural_less);
      files.insert(files.end(), found.begin(), found.end());
    }
  }
  std::vector<std::string> sorted;
  for (const std::string& file : files) sorted.push_back(resolved_path(file));
  std::sort(sorted.begin(), sorted.end());
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
  if (twin != sorted.end()) {
    errors.add(fail(ErrorCode::usage, {*twin, {}}, "stands twice in the queue"));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  return files;
}

}  // namespace thaw
