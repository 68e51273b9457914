#include "compare/difference.h"

#include <algorithm>

namespace thaw {

void DifferenceSums::add(const DifferenceSums& more) {
  aa += more.aa;
  bb += more.bb;
  ab += more.ab;
  dd += more.dd;
  max_abs = std::max(max_abs, more.max_abs);
  elements += more.elements;
  equal += more.equal;
  nonfinite_a += more.nonfinite_a;
  nonfinite_b += more.nonfinite_b;
  nonfinite_differ += more.nonfinite_differ;
}

DifferenceFigures DifferenceSums::figures() const {
  DifferenceFigures figures;
  figures.elements = elements;
  figures.equal = equal;
  figures.nonfinite_a = nonfinite_a;
  figures.nonfinite_b = nonfinite_b;
  figures.nonfinite_differ = nonfinite_differ;
  figures.max_abs = max_abs;
  figures.rms = elements == 0 ? 0 : std::sqrt(dd / static_cast<double>(elements));
  figures.relative = dd == 0 ? 0 : std::sqrt(dd / aa);  // infinite where A is all zeros
  if (dd == 0) {
    figures.cosine = 1;
  } else if (aa == 0 || bb == 0) {
    figures.cosine = 0;
  } else {
    figures.cosine = std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
  }
  figures.snr_db = dd == 0 ? HUGE_VAL : 10 * std::log10(aa / dd);
  return figures;
}

}  // namespace thaw
