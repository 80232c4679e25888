// One pass over stored values for all that is asked of them, instead of one that makes a vector of
// answers per question.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/prepare.h"
#include "engine/runtime/chunks.h"

namespace canal {

namespace {

// From here on every double is a whole number.
constexpr double all_whole = 9007199254740992.0;  // 2^53

bool is_whole(double value) {
  return std::abs(value) >= all_whole || value == static_cast<double>(static_cast<int64_t>(value));
}

void look_at(double value, int64_t place, ValueFacts& facts) {
  if (!std::isfinite(value)) {
    if (facts.not_finite++ == 0) facts.first_not_finite = place;
    return;
  }
  const bool whole = is_whole(value);
  facts.whole = facts.whole && whole;
  facts.smallest = std::min(facts.smallest, value);
  facts.largest = std::max(facts.largest, value);
  if (value >= 0) return;
  if (facts.negative++ == 0) facts.first_negative = place;
  facts.negative_whole = facts.negative_whole && whole;
}

// `next` looked at values behind those of `all`.
void append(const ValueFacts& next, ValueFacts& all) {
  if (all.not_finite == 0) all.first_not_finite = next.first_not_finite;
  if (all.negative == 0) all.first_negative = next.first_negative;
  all.not_finite += next.not_finite;
  all.negative += next.negative;
  all.negative_whole = all.negative_whole && next.negative_whole;
  all.whole = all.whole && next.whole;
  all.smallest = std::min(all.smallest, next.smallest);
  all.largest = std::max(all.largest, next.largest);
}

}  // namespace

ValueFacts value_facts(const double* values, int64_t count, int num_threads, Control& control) {
  constexpr int64_t in_a_row = int64_t{1} << 18;
  std::vector<ValueFacts> parts((count + in_a_row - 1) / in_a_row);
  control.total = count;
  for_each_chunk(parts.size(), num_threads, [&](int64_t chunk) {
    control.check();
    const int64_t first = chunk * in_a_row;
    const int64_t last = std::min(count, first + in_a_row);
    ValueFacts facts;
    for (int64_t at = first; at < last; ++at) look_at(values[at], at, facts);
    parts[chunk] = facts;
    control.done += last - first;
  });
  ValueFacts all;
  for (const ValueFacts& part : parts) append(part, all);
  return all;
}

}  // namespace canal
