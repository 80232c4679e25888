#include "engine/cellular/losses.h"

#include <ATen/ops/cdist.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/nn/operators.h"

namespace canal {

namespace {

at::Tensor float_tensor(const std::vector<double>& values, at::IntArrayRef shape) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

// B x B, 1 where two cells have the same code.
at::Tensor same(const std::vector<int32_t>& codes) {
  at::Tensor column = at::empty({static_cast<int64_t>(codes.size()), 1}, at::kInt);
  std::copy(codes.begin(), codes.end(), column.data_ptr<int32_t>());
  return column.eq(column.t()).to(at::kFloat);
}

// Fills in what follows from which cells have a pair: a cell's weight is that of its group over the
// number of the group's cells with a pair.
void weigh(const std::vector<int32_t>& groups, const std::vector<double>& weights,
           const std::vector<bool>& has_pair, Neighbours& neighbours) {
  std::map<int32_t, double> with_pair;
  for (size_t i = 0; i < groups.size(); ++i) with_pair[groups[i]] += has_pair[i];
  std::vector<double> weight(groups.size(), 0), lacking(groups.size(), 1);
  neighbours.any = false;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!has_pair[i]) continue;
    neighbours.any = true;
    lacking[i] = 0;
    // A group that no training cell is of has no weight.
    const size_t group = static_cast<size_t>(groups[i]);
    weight[i] = group < weights.size() ? weights[group] / with_pair[groups[i]] : 0;
  }
  const int64_t cells = static_cast<int64_t>(groups.size());
  neighbours.weight = float_tensor(weight, {cells});
  neighbours.lacking = float_tensor(lacking, {cells});
}

// l of every cell; of one without a pair something finite without a gradient. Returns B.
at::Tensor losses_of_cells(const at::Tensor& similarities, const Neighbours& n) {
  const at::Tensor positive = (similarities * n.positive).sum(1) + n.lacking;  // B
  const at::Tensor negative = (similarities * n.negative).sum(1) + n.lacking;  // B
  return at::log1p(negative / positive);
}

}  // namespace

std::vector<double> inverse_frequencies(const std::vector<int32_t>& codes, int64_t count) {
  std::vector<double> weights(count, 0);
  for (const int32_t code : codes) weights[code] += 1;
  double sum = 0;
  for (double& weight : weights) {
    if (weight > 0) weight = 1 / weight;
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

Neighbours type_neighbours(const std::vector<int32_t>& types, const std::vector<double>& weights) {
  const int64_t cells = static_cast<int64_t>(types.size());
  std::map<int32_t, int64_t> of_type;
  for (const int32_t type : types) ++of_type[type];
  std::vector<bool> has_pair;
  has_pair.reserve(types.size());
  for (const int32_t type : types) has_pair.push_back(of_type[type] > 1 && of_type[type] < cells);
  const at::Tensor same_type = same(types);
  Neighbours neighbours{same_type - at::eye(cells), 1 - same_type, {}, {}, false};
  weigh(types, weights, has_pair, neighbours);
  return neighbours;
}

Neighbours batch_neighbours(const std::vector<int32_t>& types, const std::vector<int32_t>& batches,
                            const std::vector<double>& weights) {
  std::map<int32_t, int64_t> of_type;
  std::map<std::pair<int32_t, int32_t>, int64_t> of_both;
  for (size_t i = 0; i < types.size(); ++i) {
    ++of_type[types[i]];
    ++of_both[{types[i], batches[i]}];
  }
  std::vector<bool> has_pair;
  for (size_t i = 0; i < types.size(); ++i) {
    const int64_t alike = of_both[{types[i], batches[i]}];
    has_pair.push_back(alike > 1 && alike < of_type[types[i]]);
  }
  const at::Tensor same_type = same(types);
  const at::Tensor same_both = same_type * same(batches);
  Neighbours neighbours{same_both - at::eye(static_cast<int64_t>(types.size())),
                        same_type - same_both,
                        {},
                        {},
                        false};
  weigh(batches, weights, has_pair, neighbours);
  return neighbours;
}

CentroidDistances centroid_distances(const std::vector<int32_t>& types,
                                     const std::vector<double>& distances, int64_t kinds) {
  std::map<int32_t, int64_t> of_type;
  for (const int32_t type : types) ++of_type[type];
  const int64_t present = static_cast<int64_t>(of_type.size());
  CentroidDistances result{at::zeros({present, static_cast<int64_t>(types.size())}),
                           at::zeros({present, present}), at::zeros({present, present}), false};
  std::map<int32_t, int64_t> row;
  for (const auto& [type, count] : of_type) row.emplace(type, static_cast<int64_t>(row.size()));
  float* mean = result.mean.data_ptr<float>();
  for (size_t i = 0; i < types.size(); ++i)
    mean[row[types[i]] * types.size() + i] = static_cast<float>(1.0 / of_type[types[i]]);
  float* wanted = result.wanted.data_ptr<float>();
  float* known = result.known.data_ptr<float>();
  double largest = 0;
  for (const auto& [a, i] : row)
    for (const auto& [b, j] : row) {
      const double distance = distances[a * kinds + b];
      if (std::isnan(distance) || distance == 0) continue;
      largest = std::max(largest, distance);
      wanted[i * present + j] = static_cast<float>(distance);
      known[i * present + j] = 1;
    }
  result.any = largest > 0;
  if (result.any) result.wanted.div_(largest);
  return result;
}

at::Tensor cosines(const at::Tensor& z) {
  const at::Tensor unit = z / z.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-8);  // B x L
  return at::matmul(unit, unit.t());
}

at::Tensor nearest_neighbour_loss(const at::Tensor& cosines, const at::Tensor& temperature,
                                  const Neighbours& neighbours) {
  const at::Tensor losses = losses_of_cells(at::exp(cosines / temperature), neighbours);
  return (losses * neighbours.weight).sum();
}

at::Tensor inverse_neighbour_loss(const at::Tensor& cosines, double temperature,
                                  const Neighbours& neighbours) {
  const at::Tensor losses = losses_of_cells(at::exp(cosines / temperature), neighbours);
  return (neighbours.weight / losses).sum();
}

at::Tensor centroid_loss(const at::Tensor& z, const CentroidDistances& distances) {
  const at::Tensor centroids = at::matmul(distances.mean, z);  // k x L
  // By differences, not by products: those of near centroids would be lost in rounding.
  const at::Tensor apart =
      at::cdist(centroids, centroids, 2.0, /*compute_mode=*/2) * distances.known;  // k x k
  const at::Tensor largest = apart.max().clamp_min(1e-30);  // all centroids may be one
  return ((apart / largest - distances.wanted) * distances.known).square().sum() /
         distances.known.sum();
}

}  // namespace canal
