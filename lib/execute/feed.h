// The work in progress between the reader and the workers: units whose input is in memory, in
// plan order, and the pieces of them that nobody has taken yet.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "execute/make_segment.h"
#include "plan/schedule.h"

namespace thaw {

struct LoadedUnit {
  Unit unit;
  std::uint64_t input_bytes = 0;  // what it counts against the limit
  TileSource slab;                // only for a slab unit; of a weave, which reads by itself, empty
  std::uint64_t pieces = 0;
  std::uint64_t taken = 0;
  std::uint64_t completed = 0;
};

struct TakenPiece {
  LoadedUnit* unit = nullptr;
  std::uint64_t index = 0;     // within the unit
  std::uint64_t sequence = 0;  // within the run
};

// Thread-safe: one reader, any number of workers.
class Feed {
 public:
  explicit Feed(std::uint64_t most_input_bytes) : most_(most_input_bytes) {}

  // Reader: waits until `input_bytes` more, of so many units, may be brought in (what is too large
  // on its own waits until it is alone; a slab until the last slab is done). False once stopped.
  [[nodiscard]] bool admit(std::uint64_t input_bytes, std::uint64_t units, bool slab);
  void push(const Unit& unit, std::uint64_t input_bytes, const TileSource& slab);
  // Reader: no more units will come.
  void end();

  // Worker: the next piece; waits for it. Nothing at the end, and once stopped.
  [[nodiscard]] std::optional<TakenPiece> take();
  // Worker: a piece is made. Returns the unit when it was its last: the input can go.
  [[nodiscard]] std::optional<LoadedUnit> complete(const TakenPiece& piece);
  // After the input of a unit that complete() returned has gone.
  void forget(const LoadedUnit& unit);

  // Wakes all who wait, for good.
  void stop();

 private:
  std::uint64_t most_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::condition_variable work_;
  std::deque<LoadedUnit> units_;  // pushing and popping at the ends moves no unit
  std::uint64_t next_ = 0;        // index of the first unit with pieces to take
  std::uint64_t sequence_ = 0;
  std::uint64_t admitted_ = 0;   // bytes
  std::uint64_t in_flight_ = 0;  // units admitted and not forgotten
  bool slab_in_use_ = false;
  bool ended_ = false;
  bool stopped_ = false;
};

}  // namespace thaw
