#include "compare/compare_faults.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "compare/channel_fit.h"

namespace thaw {

namespace {

constexpr std::uint64_t kRun = 32;  // columns that share a scale, whatever the group size
constexpr double kAlike = 0.8;      // cosines of what is the same but for rounding
constexpr double kUnlike = 0.6;     // and of what is not
constexpr double kUnrelated = 0.1;
constexpr std::uint64_t kEnough = 1000;  // elements, to call them unrelated
constexpr double kSlight = 1e-3;         // relative errors below this have no fault to name

using Order = std::array<std::uint64_t, 8>;
constexpr Order kIdentity = {0, 1, 2, 3, 4, 5, 6, 7};
// The order of the nibbles in a word of AWQ GEMM, and its inverse.
constexpr std::array<Order, 2> kOrders = {Order{0, 4, 1, 5, 2, 6, 3, 7},
                                          Order{0, 2, 4, 6, 1, 3, 5, 7}};

struct Products {
  double aa = 0;
  double bb = 0;
  double ab = 0;
  void add(double a, double b) {
    aa += a * a;
    bb += b * b;
    ab += a * b;
  }
  [[nodiscard]] double cosine() const { return aa == 0 || bb == 0 ? 0 : ab / std::sqrt(aa * bb); }
};

// The mean of something over runs of columns.
struct Mean {
  double sum = 0;
  std::uint64_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  [[nodiscard]] double value() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

class Test {
 public:
  explicit Test(const FaultSample& sample) : s_(sample) {}

  [[nodiscard]] Products all() const {
    Products products;
    for (std::uint64_t i = 0; i < s_.rows * s_.columns; ++i) products.add(s_.a[i], s_.b[i]);
    return products;
  }
  [[nodiscard]] double relative() const {
    double dd = 0;
    double aa = 0;
    for (std::uint64_t i = 0; i < s_.rows * s_.columns; ++i) {
      const double d = static_cast<double>(s_.a[i]) - static_cast<double>(s_.b[i]);
      dd += d * d;
      aa += static_cast<double>(s_.a[i]) * static_cast<double>(s_.a[i]);
    }
    return dd == 0 ? 0 : std::sqrt(dd / aa);
  }

  // How alike row n of B is to row order[n % 8] of A among its eight. By runs of columns, because
  // the fault takes the codes of one row and the scales of another: within a run they are
  // proportional.
  [[nodiscard]] double row_likeness(const Order& order) const {
    Mean mean;
    for (std::uint64_t n = 0; n < s_.rows / 8 * 8; ++n) {
      if (n % 8 == 0 || n % 8 == 7) continue;  // stay where they are in every order
      const float* a = &s_.a[(n / 8 * 8 + order[n % 8]) * s_.columns];
      const float* b = &s_.b[n * s_.columns];
      for (std::uint64_t k = 0; k + kRun <= s_.columns; k += kRun) {
        Products run;
        for (std::uint64_t i = k; i < k + kRun; ++i) run.add(a[i], b[i]);
        if (run.aa != 0 && run.bb != 0) mean.add(std::fabs(run.cosine()));
      }
    }
    return mean.value();
  }
  [[nodiscard]] double column_likeness(const Order& order) const {
    Mean mean;
    for (std::uint64_t n = 0; n < s_.rows; ++n) {
      const float* a = &s_.a[n * s_.columns];
      const float* b = &s_.b[n * s_.columns];
      for (std::uint64_t k = 0; k + kRun <= s_.columns; k += kRun) {
        Products run;
        for (std::uint64_t i = k; i < k + kRun; ++i) {
          if (i % 8 != 0 && i % 8 != 7) run.add(a[i / 8 * 8 + order[i % 8]], b[i]);
        }
        if (run.aa != 0 && run.bb != 0) mean.add(std::fabs(run.cosine()));
      }
    }
    return mean.value();
  }
  [[nodiscard]] bool has_row_order() const {
    if (s_.rows < 8 || row_likeness(kIdentity) > kUnlike) return false;
    return row_likeness(kOrders[0]) > kAlike || row_likeness(kOrders[1]) > kAlike;
  }
  [[nodiscard]] bool has_column_order() const {
    if (column_likeness(kIdentity) > kUnlike) return false;
    return column_likeness(kOrders[0]) > kAlike || column_likeness(kOrders[1]) > kAlike;
  }

  // Zero points: in nearly every run that differs, all elements differ by one amount.
  [[nodiscard]] Fault zero_fault() const {
    std::uint64_t runs = 0;
    std::uint64_t constant = 0;
    std::uint64_t by_one = 0;
    for (std::uint64_t n = 0; n < s_.rows; ++n) {
      for (std::uint64_t k = 0; k + kRun <= s_.columns; k += kRun) {
        const std::span<const float> a = s_.a.subspan(n * s_.columns + k, kRun);
        const std::span<const float> b = s_.b.subspan(n * s_.columns + k, kRun);
        double sum = 0;
        double squares = 0;
        for (std::uint64_t i = 0; i < kRun; ++i) {
          const double d = static_cast<double>(b[i]) - static_cast<double>(a[i]);
          sum += d;
          squares += d * d;
        }
        if (squares == 0) continue;
        ++runs;
        const double shift = sum / kRun;
        if (squares - sum * shift > 0.05 * squares) continue;
        ++constant;
        const double steps = std::fabs(shift) / step_of(a);
        if (steps > 0.75 && steps < 1.25) ++by_one;
      }
    }
    if (runs == 0 || constant * 10 < runs * 8) return Fault::none;
    return by_one * 10 >= constant * 7 ? Fault::zero_off_by_one : Fault::zero_offset;
  }

 private:
  // The distance of two codes: the smallest between two values that are not the same.
  static double step_of(std::span<const float> run) {
    std::array<float, kRun> sorted{};
    std::copy(run.begin(), run.end(), sorted.begin());
    std::sort(sorted.begin(), sorted.end());
    const double reach = static_cast<double>(sorted.back()) - static_cast<double>(sorted.front());
    double least = reach;
    for (std::size_t i = 1; i < kRun; ++i) {
      const double gap = static_cast<double>(sorted[i]) - static_cast<double>(sorted[i - 1]);
      if (gap > reach / 1000 && gap < least) least = gap;
    }
    return least;
  }

  const FaultSample& s_;
};

}  // namespace

bool is_transposed(std::span<const float> a, std::uint64_t columns_a, std::span<const float> b,
                   std::uint64_t columns_b) {
  if (columns_a == 0 || columns_b == 0) return false;
  const std::uint64_t rows_a = a.size() / columns_a;
  const std::uint64_t rows_b = b.size() / columns_b;
  const std::uint64_t rows = std::min(rows_a, columns_b);
  const std::uint64_t columns = std::min(columns_a, rows_b);
  Products turned;
  Products straight;
  for (std::uint64_t i = 0; i < rows; ++i) {
    for (std::uint64_t j = 0; j < columns; ++j) {
      turned.add(a[i * columns_a + j], b[j * columns_b + i]);
      if (i < rows_b && j < columns_b) straight.add(a[i * columns_a + j], b[i * columns_b + j]);
    }
  }
  return rows * columns >= 64 && turned.cosine() > kAlike && straight.cosine() < kUnlike;
}

Fault find_fault(const FaultSample& sample, const FaultNorm& norm) {
  const Test test(sample);
  if (test.relative() < kSlight) return Fault::none;
  if (test.has_row_order()) return Fault::row_order;
  if (test.has_column_order()) return Fault::column_order;
  if (is_transposed(sample.a, sample.columns, sample.b, sample.columns)) return Fault::transposed;
  if (const Fault zeros = test.zero_fault(); zeros != Fault::none) return zeros;
  if (const Fault scaled = find_scaling(sample, norm); scaled != Fault::none) return scaled;
  const bool enough = sample.rows * sample.columns >= kEnough;
  return enough && std::fabs(test.all().cosine()) < kUnrelated ? Fault::unrelated : Fault::none;
}

}  // namespace thaw
