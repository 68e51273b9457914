// Which tables this program has and this CPU can run. Plain C++, compiled for the baseline.
#include "kernels/tables.h"

namespace thaw::kernels {
namespace {

bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

bool always() { return true; }

struct Candidate {
  const Table* table;
  bool (*runs)();
};

constexpr Candidate kCandidates[] = {
    // the best first
    {&kScalarTable, always},
};

struct Available {
  const Table* tables[sizeof kCandidates / sizeof kCandidates[0]] = {};
  std::size_t count = 0;

  Available() {
    for (const Candidate& candidate : kCandidates) {
      if (candidate.runs()) tables[count++] = candidate.table;
    }
  }
};

}  // namespace

TableList available_tables() {
  static const Available available;
  return {available.tables, available.count};
}

const Table* find_table(const char* name, bool* runs_here) {
  for (const Candidate& candidate : kCandidates) {
    if (!equal(candidate.table->name, name)) continue;
    if (runs_here != nullptr) *runs_here = candidate.runs();
    return candidate.table;
  }
  return nullptr;
}

const Layout* find_layout(const Table& table, const char* name) {
  for (std::size_t i = 0; i < table.layout_count; ++i) {
    if (equal(table.layouts[i].name, name)) return &table.layouts[i];
  }
  return nullptr;
}

}  // namespace thaw::kernels
