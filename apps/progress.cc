#include "progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/text.h"
#include "json_out.h"
#include "terminal.h"

namespace thaw::app {

namespace {

// "0:31", "12:05", "3:00:12".
std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  const long long hours = whole / 3600;
  const int minutes = static_cast<int>(whole / 60 % 60);
  const int rest = static_cast<int>(whole % 60);
  std::array<char, 48> text{};
  if (hours > 0) {
    std::snprintf(text.data(), text.size(), "%lld:%02d:%02d", hours, minutes, rest);
  } else {
    std::snprintf(text.data(), text.size(), "%d:%02d", minutes, rest);
  }
  return text.data();
}

int percent(const Progress& progress) {
  if (progress.bytes_total == 0) return 0;
  const double share =
      static_cast<double>(progress.bytes_done) / static_cast<double>(progress.bytes_total);
  return std::clamp(static_cast<int>(share * 100), 0, 100);
}

// What is said behind the bar, the most important first.
std::vector<std::string> facts(const Progress& progress, const Meter& meter) {
  std::vector<std::string> all = {
      std::to_string(percent(progress)) + " %",
      bytes_text(progress.bytes_done) + " of " + bytes_text(progress.bytes_total)};
  if (meter.rate() > 0) {
    all.push_back(bytes_text(static_cast<std::uint64_t>(meter.rate())) + "/s");
    all.push_back(duration_text(meter.seconds_left(progress)) + " left");
  }
  return all;
}

class Bar final : public ProgressPrinter {
 public:
  void show(const Progress& progress, const Meter& meter) override {
    std::string line = "\r";
    line += bar_line(progress, meter, terminal_width() - 1);
    write_stderr(line + "\x1b[K");
    drawn_ = true;
  }
  void finish() override {
    if (drawn_) write_stderr("\r\x1b[K");
    drawn_ = false;
  }

 private:
  bool drawn_ = false;
};

class PlainLines final : public ProgressPrinter {
 public:
  void show(const Progress& progress, const Meter& meter) override {
    constexpr double kInterval = 5;
    if (progress.seconds < shown_ + kInterval) return;
    shown_ = progress.seconds;
    write_stderr(progress_line(progress, meter) + '\n');
  }

 private:
  double shown_ = 0;
};

class JsonLines final : public ProgressPrinter {
 public:
  void show(const Progress& progress, const Meter& meter) override {
    constexpr double kInterval = 0.5;
    const bool new_stage = progress.stage != stage_;
    const bool complete = progress.bytes_done == progress.bytes_total && !complete_;
    if (!new_stage && !complete && progress.seconds < shown_ + kInterval) return;
    shown_ = progress.seconds;
    stage_ = progress.stage;
    complete_ = complete;
    JsonOut out(JsonOut::Form::line);
    out.begin_object();
    out.member("event", "progress");
    out.member("stage", progress.stage);
    out.member("bytes_done", progress.bytes_done);
    out.member("bytes_total", progress.bytes_total);
    out.member("tensors_done", progress.tensors_done);
    out.member("tensors_total", progress.tensors_total);
    out.member("seconds", progress.seconds);
    out.member("bytes_per_second", static_cast<std::uint64_t>(meter.rate()));
    out.end_object();
    write_stderr(std::move(out).take());
  }

 private:
  double shown_ = 0;
  std::string stage_;
  bool complete_ = false;
};

class Nothing final : public ProgressPrinter {
 public:
  void show(const Progress&, const Meter&) override {}
};

}  // namespace

void Meter::update(const Progress& progress) {
  const double bytes = static_cast<double>(progress.bytes_done);
  const double passed = progress.seconds - seconds_;
  if (bytes == 0) {
    // The clock of the rate starts with the conversion, not with the reading of headers.
    seconds_ = progress.seconds;
    return;
  }
  constexpr double kShortest = 0.05;
  if (passed < kShortest) return;
  constexpr double kMemory = 3;  // seconds
  const double now = (bytes - bytes_) / passed;
  const double weight = rate_ == 0 ? 1 : 1 - std::exp(-passed / kMemory);
  rate_ += (now - rate_) * weight;
  seconds_ = progress.seconds;
  bytes_ = bytes;
}

double Meter::seconds_left(const Progress& progress) const {
  if (rate_ <= 0) return -1;
  const std::uint64_t left =
      progress.bytes_total - std::min(progress.bytes_done, progress.bytes_total);
  return static_cast<double>(left) / rate_;
}

std::string progress_line(const Progress& progress, const Meter& meter) {
  std::string line(progress.stage);
  if (progress.bytes_total == 0) return line;
  const char* separator = ": ";
  for (const std::string& fact : facts(progress, meter)) {
    line += separator + fact;
    separator = ", ";
  }
  return line;
}

std::string bar_line(const Progress& progress, const Meter& meter, int width) {
  const auto most = static_cast<std::size_t>(std::max(width, 0));
  std::string line(progress.stage);
  if (progress.bytes_total == 0) return line.substr(0, most);
  std::vector<std::string> said = facts(progress, meter);
  const auto length = [&] {
    std::size_t columns = line.size();
    for (const std::string& fact : said) columns += 2 + fact.size();
    return columns;
  };
  while (!said.empty() && length() > most) said.pop_back();
  constexpr std::size_t kWidest = 40;
  constexpr std::size_t kNarrowest = 8;
  constexpr std::size_t kFrame = 4;  // two spaces and the brackets
  const std::size_t room = most > length() + kFrame ? most - length() - kFrame : 0;
  if (room >= kNarrowest) {
    const std::size_t cells = std::min(room, kWidest);
    const std::size_t full = cells * static_cast<std::size_t>(percent(progress)) / 100;
    line += "  [" + std::string(full, '#') + std::string(cells - full, '.') + "]";
  }
  for (const std::string& fact : said) line += "  " + fact;
  return line.substr(0, most);
}

std::unique_ptr<ProgressPrinter> make_progress_printer(ProgressMode mode) {
  switch (mode) {
    case ProgressMode::automatic:
    case ProgressMode::bar:
      if (stderr_is_terminal()) return std::make_unique<Bar>();
      return std::make_unique<PlainLines>();
    case ProgressMode::plain:
      return std::make_unique<PlainLines>();
    case ProgressMode::json:
      return std::make_unique<JsonLines>();
    case ProgressMode::none:
      break;
  }
  return std::make_unique<Nothing>();
}

}  // namespace thaw::app
