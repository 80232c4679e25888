#include "engine/train/mask.h"

#include <ATen/ops/rand.h>

#include <algorithm>
#include <cmath>

#include "engine/nn/operators.h"

namespace canal {

namespace {

// The `count` places with the smallest draws.
std::vector<int64_t> smallest(std::vector<int64_t> places, int64_t count, const float* draws) {
  count = std::min<int64_t>(count, static_cast<int64_t>(places.size()));
  std::partial_sort(places.begin(), places.begin() + count, places.end(),
                    [&](int64_t a, int64_t b) { return draws[a] < draws[b]; });
  places.resize(count);
  return places;
}

}  // namespace

MaskedCell mask_cell(const at::Tensor& tokens, const MaskOptions& options,
                     at::Generator& generator) {
  const int64_t length = tokens.size(1);
  const at::Tensor draws = at::rand({2, length}, generator);  // who is chosen, who is replaced
  const float* choice = draws.data_ptr<float>();
  const float* replacement = choice + length;
  MaskedCell cell{tokens.clone(), {}, {}};
  int64_t* token = cell.tokens.data_ptr<int64_t>();
  std::vector<int64_t> silent, expressed;
  for (int64_t i = 0; i + 1 < length; ++i) (token[i] == 0 ? silent : expressed).push_back(i);
  const double wanted = std::ceil(options.masked_share * static_cast<double>(expressed.size()));
  cell.places = smallest(expressed, static_cast<int64_t>(wanted), choice);
  const double zeros = std::floor(options.zeros * static_cast<double>(cell.places.size()));
  const std::vector<int64_t> chosen_zeros = smallest(silent, static_cast<int64_t>(zeros), choice);
  cell.places.insert(cell.places.end(), chosen_zeros.begin(), chosen_zeros.end());
  std::sort(cell.places.begin(), cell.places.end());
  for (const int64_t place : cell.places) {
    cell.truth.push_back(token[place]);
    if (replacement[place] < options.replaced_share) token[place] = options.mask_token;
  }
  return cell;
}

}  // namespace canal
