#include "execute/feed.h"

#include <doctest/doctest.h>

#include <optional>

namespace thaw {
namespace {

Unit unit_of(std::uint64_t size) {
  Unit unit;
  unit.size = size;
  unit.piece_bytes = size;
  return unit;
}

// Takes the next unit's only piece and completes it.
std::optional<LoadedUnit> complete_next(Feed& feed) {
  const std::optional<TakenPiece> piece = feed.take();
  if (!piece) return std::nullopt;
  return feed.complete(*piece);
}

TEST_CASE("units that were admitted together are forgotten one by one") {
  Feed feed(100);
  REQUIRE(feed.admit(90, 3, false));
  for (int i = 0; i < 3; ++i) feed.push(unit_of(30), 30, {});
  for (int i = 0; i < 3; ++i) {
    const std::optional<LoadedUnit> done = complete_next(feed);
    REQUIRE(done);
    CHECK(done->input_bytes == 30);
    feed.forget(*done);
  }
  // More than fits is admitted only where nothing else is under way: this would wait for ever.
  REQUIRE(feed.admit(1000, 1, false));
  feed.push(unit_of(1), 1000, {});
  const std::optional<LoadedUnit> large = complete_next(feed);
  REQUIRE(large);
  feed.forget(*large);
  feed.end();
  CHECK_FALSE(feed.take());
}

}  // namespace
}  // namespace thaw
