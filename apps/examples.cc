#include "examples.h"

#include <initializer_list>
#include <string_view>

namespace thaw::app {

namespace {

struct Example {
  std::string_view what;
  std::string_view command;
};

std::string text_of(std::initializer_list<Example> examples) {
  std::string text = "\nExamples:\n";
  for (const Example& example : examples) {
    if (!example.what.empty()) text.append("  ").append(example.what).append("\n");
    text.append("      ").append(example.command).append("\n");
  }
  return text;
}

}  // namespace

std::string program_examples() {
  return text_of({
      {"Convert a model:", "thaw convert Qwen2.5-7B-Instruct-AWQ Qwen2.5-7B-float"},
      {"Put its blocks into the float model that it was made from:",
       "thaw convert Qwen2.5-7B-Instruct-AWQ OUT --base Qwen2.5-7B-Instruct"},
      {"Into an archive:", "thaw convert Qwen2.5-7B-Instruct-AWQ qwen.tar.zst"},
      {"On a schedule, what is written down in jobs/ (from cron or systemd):",
       "thaw run jobs --log jobs.log"},
      {"Check the result:", "thaw verify Qwen2.5-7B-float --against Qwen2.5-7B-Instruct-AWQ"},
  });
}

std::string convert_examples() {
  return text_of({
      {"Convert a model; first, what that would take:",
       "thaw convert Qwen2.5-7B-Instruct-AWQ Qwen2.5-7B-float --dry-run"},
      {"", "thaw convert Qwen2.5-7B-Instruct-AWQ Qwen2.5-7B-float --dtype bfloat16"},
      {"Put its blocks into the float model that it was made from:",
       "thaw convert Qwen2.5-7B-Instruct-AWQ OUT --base Qwen2.5-7B-Instruct"},
      {"Into an archive, or to another machine:",
       "thaw convert Qwen2.5-7B-Instruct-AWQ qwen.tar.zst --level 3"},
      {"", "thaw convert Qwen2.5-7B-Instruct-AWQ - --to tar.zst | ssh HOST tar --zstd -xf -"},
      {"On a schedule: nothing but errors, and a report as JSON; thaw run does more:",
       "thaw convert Qwen2.5-7B-Instruct-AWQ nightly --force --quiet --report nightly.json"},
      {"Check the result while it is made, or later:",
       "thaw convert Qwen2.5-7B-Instruct-AWQ checked --verify --checksums"},
      {"", "thaw verify Qwen2.5-7B-float --against Qwen2.5-7B-Instruct-AWQ"},
  });
}

}  // namespace thaw::app
