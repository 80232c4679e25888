#include "engine/bank.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <tuple>

#include "engine/errors.h"

namespace canal {

namespace {

double inner_product(const FloatArray& a, int64_t row_a, const FloatArray& b, int64_t row_b) {
  const int64_t width = a.shape[1];
  const float* first = a.values.data() + row_a * width;
  return std::inner_product(first, first + width, b.values.data() + row_b * width, 0.0);
}

void check_prototypes(const FloatArray& embedding, const FloatArray& prototypes,
                      const std::vector<int32_t>& type) {
  if (embedding.shape.size() != 2 || prototypes.shape.size() != 2 ||
      embedding.shape[1] != prototypes.shape[1] ||
      embedding.shape[0] != static_cast<int64_t>(type.size()))
    throw Error(ErrorKind::sizes, "Embeddings, prototypes and types do not fit together.");
  for (int32_t t : type)
    if (t < 0 || t >= prototypes.shape[0])
      throw Error(ErrorKind::input, "Type " + std::to_string(t) + " (from 0) has no prototype.");
}

}  // namespace

std::vector<int32_t> prototype_ranks(const FloatArray& embedding, const FloatArray& prototypes,
                                     const std::vector<int32_t>& type) {
  check_prototypes(embedding, prototypes, type);
  std::vector<double> likeness(type.size());
  std::map<int32_t, std::vector<int64_t>> cells_of;
  for (size_t i = 0; i < type.size(); ++i) {
    likeness[i] = inner_product(embedding, i, prototypes, type[i]);
    cells_of[type[i]].push_back(i);
  }
  std::vector<int32_t> rank(type.size());
  for (auto& [_, cells] : cells_of) {
    std::stable_sort(cells.begin(), cells.end(),
                     [&](int64_t a, int64_t b) { return likeness[a] > likeness[b]; });
    for (size_t place = 0; place < cells.size(); ++place) rank[cells[place]] = place + 1;
  }
  return rank;
}

std::vector<int64_t> trim_bank(const std::vector<BankEntry>& entries, int64_t size, int64_t types) {
  if (types < 1) throw Error(ErrorKind::input, "A bank needs at least one type.");
  const int64_t quota = size / types;
  std::vector<int64_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0);
  auto key = [&](int64_t i) {
    return std::make_tuple(entries[i].type, entries[i].rank, entries[i].stage);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return key(a) < key(b); });
  std::map<int32_t, int64_t> taken;
  std::vector<int64_t> kept;
  for (int64_t i : order)
    if (taken[entries[i].type]++ < quota) kept.push_back(i);
  return kept;
}

}  // namespace canal
