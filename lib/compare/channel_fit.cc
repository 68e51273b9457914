#include "compare/channel_fit.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace thaw {

namespace {

constexpr int kRounds = 6;
constexpr double kFits = 0.06;     // of the squares may be left: what rounding to 4 bits leaves
constexpr double kExplains = 0.7;  // of what was left without factors may be left with them
constexpr double kVaries = 0.02;   // a spread of factors below this is one factor
constexpr double kExplainsByNorm = 0.9;  // the same for factors that were not fitted but given
constexpr double kNearlyAsGood = 3;      // given factors, beside fitted ones

struct Spread {
  double mean = 0;
  double relative = 0;  // standard deviation over the mean
};

Spread spread_of(const std::vector<double>& values) {
  double sum = 0;
  double squares = 0;
  std::uint64_t count = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    squares += value * value;
    ++count;
  }
  if (count == 0 || sum == 0) return {};
  const double mean = sum / static_cast<double>(count);
  const double variance = squares / static_cast<double>(count) - mean * mean;
  return {mean, std::sqrt(std::max(variance, 0.0)) / std::fabs(mean)};
}

// b[n][k] = rows[n] * columns[k] * a[n][k], as well as it goes.
struct Fit {
  std::vector<double> rows;
  std::vector<double> columns;
  double left = 1;   // squares that remain, of those of B
  double plain = 1;  // the same with one factor for all
};

class Fitter {
 public:
  explicit Fitter(const FaultSample& sample) : s_(sample) {}

  // Both factors, each in turn.
  [[nodiscard]] Fit all() const {
    Fit fit{std::vector<double>(s_.rows, 1), std::vector<double>(s_.columns, 1)};
    for (int round = 0; round < kRounds; ++round) {
      fit_columns(fit);
      fit_rows(fit);
    }
    measure(fit);
    return fit;
  }
  // Those of the rows alone: the columns' are given.
  [[nodiscard]] Fit with_columns(std::vector<double> columns) const {
    Fit fit{std::vector<double>(s_.rows, 1), std::move(columns)};
    fit_rows(fit);
    measure(fit);
    return fit;
  }

 private:
  [[nodiscard]] double a(std::uint64_t n, std::uint64_t k) const {
    return static_cast<double>(s_.a[n * s_.columns + k]);
  }
  [[nodiscard]] double b(std::uint64_t n, std::uint64_t k) const {
    return static_cast<double>(s_.b[n * s_.columns + k]);
  }

  void fit_columns(Fit& fit) const {
    std::vector<double> products(s_.columns);
    std::vector<double> squares(s_.columns);
    for (std::uint64_t n = 0; n < s_.rows; ++n) {
      for (std::uint64_t k = 0; k < s_.columns; ++k) {
        const double scaled = fit.rows[n] * a(n, k);
        products[k] += scaled * b(n, k);
        squares[k] += scaled * scaled;
      }
    }
    for (std::uint64_t k = 0; k < s_.columns; ++k) {
      fit.columns[k] = squares[k] == 0 ? 1 : products[k] / squares[k];
    }
  }
  void fit_rows(Fit& fit) const {
    for (std::uint64_t n = 0; n < s_.rows; ++n) {
      double product = 0;
      double square = 0;
      for (std::uint64_t k = 0; k < s_.columns; ++k) {
        const double scaled = fit.columns[k] * a(n, k);
        product += scaled * b(n, k);
        square += scaled * scaled;
      }
      fit.rows[n] = square == 0 ? 1 : product / square;
    }
  }
  void measure(Fit& fit) const {
    double left = 0;
    double aa = 0;
    double bb = 0;
    double ab = 0;
    for (std::uint64_t n = 0; n < s_.rows; ++n) {
      for (std::uint64_t k = 0; k < s_.columns; ++k) {
        const double rest = b(n, k) - fit.rows[n] * fit.columns[k] * a(n, k);
        left += rest * rest;
        aa += a(n, k) * a(n, k);
        bb += b(n, k) * b(n, k);
        ab += a(n, k) * b(n, k);
      }
    }
    if (bb == 0 || aa == 0) return;
    fit.left = left / bb;
    fit.plain = 1 - ab * ab / (aa * bb);
  }

  const FaultSample& s_;
};

}  // namespace

Fault find_scaling(const FaultSample& sample, const FaultNorm& norm) {
  if (sample.rows < 8 || sample.columns < 8) return Fault::none;
  const Fitter fitter(sample);
  const Fit fit = fitter.all();
  if (fit.left > kFits) return Fault::none;
  const Spread columns = spread_of(fit.columns);
  const Spread rows = spread_of(fit.rows);
  if (columns.relative < kVaries && rows.relative < kVaries) {
    const double factor = columns.mean * rows.mean;
    return std::fabs(factor - 1) > kVaries ? Fault::scaled : Fault::none;
  }
  const bool norm_known = norm.a.size() == sample.columns && norm.b.size() == sample.columns;
  bool norm_differs = false;
  if (norm_known) {
    std::vector<double> inverse(sample.columns);
    for (std::uint64_t k = 0; k < sample.columns; ++k) {
      const double ratio = norm.a[k] / norm.b[k];
      inverse[k] = std::isfinite(ratio) ? ratio : 1;
    }
    norm_differs = spread_of(inverse).relative > kVaries;
    const Fit given = fitter.with_columns(std::move(inverse));
    if (norm_differs && given.left < kExplainsByNorm * fit.plain &&
        given.left < kNearlyAsGood * fit.left) {
      return Fault::scaled_with_norm;
    }
  }
  // What is left over must be less than it was, or there was nothing to explain.
  if (fit.left > kExplains * fit.plain || columns.relative < kVaries) return Fault::none;
  // A norm that is the same on both sides cannot carry what the columns were multiplied by.
  return norm_known && !norm_differs ? Fault::norm_not_taken : Fault::scaled_by_channel;
}

}  // namespace thaw
