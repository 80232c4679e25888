// The three losses of a mini-batch (METHODS section 7), as expressions of B x B similarities.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace canal {

// Of whose pairs a soft-nearest-neighbour loss is made. Kept apart from the embedding, as it is
// known before anything is computed.
struct Neighbours {
  at::Tensor positive, negative;  // B x B, 1 where cell j is one of cell i
  at::Tensor weight;              // B, of a cell's loss in the sum; 0 where it lacks a pair
  at::Tensor lacking;             // B, 1 where it lacks a pair
  bool any;                       // some cell has a positive and a negative one
};

// Inverse frequencies that sum to 1; 0 for a code that no cell has. codes: of cells, 0-based.
std::vector<double> inverse_frequencies(const std::vector<int32_t>& codes, int64_t count);

// Positive: the same type, without the cell itself; negative: another. A type's loss is the mean
// over its cells that have both, times the type's weight.
Neighbours type_neighbours(const std::vector<int32_t>& types, const std::vector<double>& weights);

// Within a type. Positive: the same batch, without the cell itself; negative: another. Means and
// weights are the batches'.
Neighbours batch_neighbours(const std::vector<int32_t>& types, const std::vector<int32_t>& batches,
                            const std::vector<double>& weights);

// The mini-batch's part of the distances between the types' centroids in the principal components.
struct CentroidDistances {
  at::Tensor mean;    // k x B: the mean over each type that is there
  at::Tensor wanted;  // k x k, scaled to a maximum of 1; 0 where there is none
  at::Tensor known;   // k x k, 1 where there is one
  bool any;
};

// distances: K x K, 0 or NaN where a pair of types has none.
CentroidDistances centroid_distances(const std::vector<int32_t>& types,
                                     const std::vector<double>& distances, int64_t kinds);

// Cosines between all cells. z: B x L. Returns B x B.
at::Tensor cosines(const at::Tensor& z);

// l_i = -log(P / (P + Q)), P and Q the sums of exp(cosine / temperature) over the positive and the
// negative cells. `sum of weight_i l_i`, or of weight_i / l_i for the inverse. cosines: B x B.
at::Tensor nearest_neighbour_loss(const at::Tensor& cosines, const at::Tensor& temperature,
                                  const Neighbours& neighbours);
at::Tensor inverse_neighbour_loss(const at::Tensor& cosines, double temperature,
                                  const Neighbours& neighbours);

// z: B x L.
at::Tensor centroid_loss(const at::Tensor& z, const CentroidDistances& distances);

}  // namespace canal
