#include "table.h"

#include <algorithm>

#include "base/columns.h"

namespace thaw::app {

namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowWindow = 60;  // below this the indent of the values costs too much
constexpr std::size_t kNarrowIndent = 2;
constexpr std::size_t kReadableName = 24;  // names give way to this before the last columns go
constexpr int kLastToGo = 2;               // the rank up to which names give way first

bool is_number(const std::string& cell) {
  return !cell.empty() && cell[0] >= '0' && cell[0] <= '9';
}

// The last `width` columns of a name: its end tells more than its beginning.
std::string shortened(const std::string& name, std::size_t width) {
  if (columns_of(name) <= width) return name;
  constexpr std::size_t kDots = 2;
  std::size_t begin = 0;
  while (begin < name.size() && columns_of(name.substr(begin)) + kDots > width) {
    do {
      ++begin;
    } while (begin < name.size() && (static_cast<unsigned char>(name[begin]) & 0xc0u) == 0x80u);
  }
  return ".." + name.substr(begin);
}

class Columns {
 public:
  Columns(const std::vector<std::vector<std::string>>& rows, const TableFit& fit)
      : rows_(rows), room_(fit.width), headed_(fit.headed) {
    for (const std::vector<std::string>& row : rows) {
      widths_.resize(std::max(widths_.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) {
        widths_[i] = std::max(widths_[i], columns_of(row[i]));
      }
    }
    shown_.assign(widths_.size(), true);
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      ranks_.push_back(i < fit.ranks.size() ? fit.ranks[i] : static_cast<int>(i));
    }
    if (fit.width != 0 && fit.width < kNarrowWindow) indent_ = kNarrowIndent;
    room_ = fit.width > indent_ ? fit.width - indent_ : 0;
  }

  void give_way() {
    if (room_ == 0) return;
    leave_out_above(kLastToGo);
    shorten_names(kReadableName);
    leave_out_above(0);
    shorten_names(1);
  }

  [[nodiscard]] std::string lines() const {
    std::string text;
    for (const std::vector<std::string>& row : rows_) text += line_of(row);
    std::string without;
    for (std::size_t i = 0; i < shown_.size(); ++i) {
      if (shown_[i]) continue;
      without += without.empty() ? "(without " : ", ";
      without += rows_.front()[i];
    }
    if (without.empty() || !headed_) return text;
    return text + std::string(indent_, ' ') + without + ": a wider window, or --json)\n";
  }

 private:
  [[nodiscard]] std::size_t width() const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      if (shown_[i]) sum += widths_[i] + (sum == 0 ? 0 : kGap);
    }
    return sum;
  }

  void leave_out_above(int rank) {
    while (width() > room_) {
      std::size_t last = widths_.size();
      for (std::size_t i = 0; i < widths_.size(); ++i) {
        if (!shown_[i] || ranks_[i] <= rank) continue;
        if (last == widths_.size() || ranks_[i] >= ranks_[last]) last = i;
      }
      if (last == widths_.size()) return;
      shown_[last] = false;
    }
  }

  void shorten_names(std::size_t least) {
    for (std::size_t i = 0; i < widths_.size() && width() > room_; ++i) {
      if (ranks_[i] != 0 || widths_[i] <= least) continue;
      widths_[i] -= std::min(widths_[i] - least, width() - room_);
    }
  }

  [[nodiscard]] std::string line_of(const std::vector<std::string>& row) const {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!shown_[i]) continue;
      const std::string cell = shortened(row[i], widths_[i]);
      const std::string pad(widths_[i] - columns_of(cell), ' ');
      line += line.empty() ? "" : std::string(kGap, ' ');
      line += is_number(rows_.back()[i]) ? pad + cell : cell + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return std::string(indent_, ' ') + line + '\n';
  }

  const std::vector<std::vector<std::string>>& rows_;
  std::size_t room_;
  bool headed_;
  std::size_t indent_ = kFactNameWidth;
  std::vector<std::size_t> widths_;
  std::vector<bool> shown_;
  std::vector<int> ranks_;
};

}  // namespace

std::string fact_line(const std::string& name, const std::string& value) {
  return name + std::string(kFactNameWidth - std::min(kFactNameWidth - 1, name.size()), ' ') +
         value + '\n';
}

std::string column_lines(const std::vector<std::vector<std::string>>& rows, const TableFit& fit) {
  Columns columns(rows, fit);
  columns.give_way();
  return columns.lines();
}

std::string counted(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace thaw::app
