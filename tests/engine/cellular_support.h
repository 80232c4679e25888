// Cells, golden numbers and settings that the tests of CELLULAR share.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/cellular.h"
#include "golden.h"

namespace canal_test {

// cells x genes, as they come from R.
struct SparseValues {
  explicit SparseValues(int64_t genes_) : genes(genes_) {}
  void add_cell(const float* row) {
    for (int64_t g = 0; g < genes; ++g) {
      if (row[g] == 0) continue;
      gene.push_back(static_cast<int32_t>(g));
      value.push_back(row[g]);
    }
    starts.push_back(static_cast<int32_t>(value.size()));
  }
  canal::SparseCells view() const {
    return {static_cast<int64_t>(starts.size()) - 1, genes, starts.data(), gene.data(),
            value.data()};
  }
  int64_t genes;
  std::vector<int32_t> starts{0}, gene;
  std::vector<double> value;
};

inline SparseValues sparse_values(const canal::FloatArray& dense) {
  SparseValues values(dense.shape[1]);
  for (int64_t cell = 0; cell < dense.shape[0]; ++cell)
    values.add_cell(dense.values.data() + cell * dense.shape[1]);
  return values;
}

inline canal::Tree cellular_golden() { return canal::read_tree(golden_path("cellular.h5"), "/"); }

// Those of a group; integers are no weights.
inline canal::Weights weights_in(const canal::Tree& group) {
  canal::Weights weights;
  for (const auto& [name, tree] : group.children)
    if (tree.kind == canal::Tree::Kind::float32) weights.emplace_back(name, floats(tree));
  return weights;
}

// To change.
inline canal::FloatArray& array_of(canal::Weights& weights, const std::string& name) {
  return const_cast<canal::FloatArray&>(*canal::find(weights, name));
}

// The published settings, without dropout.
inline canal::CellularOptions cellular_options() {
  canal::CellularOptions options{};
  options.snn_weight = 0.9;
  options.batch_weight = 0.1;
  options.centroid_weight = 1;
  options.temperature = 0.25;
  options.least_temperature = 0.1;
  options.most_temperature = 2;
  options.batch_temperature = 0.5;
  options.dropout = 0;
  options.batch_size = 256;
  options.amsgrad = false;
  options.weight_decay = 5e-5;
  options.seed = 1;
  options.num_threads = 2;
  return options;
}

// Random cells of random types and batches, about a third of the values not 0.
struct RandomCells {
  RandomCells(int64_t cells, int64_t genes, int types, int batches, unsigned seed)
      : values(genes), kinds(types) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(0, 1);
    std::vector<float> row(genes);
    for (int64_t cell = 0; cell < cells; ++cell) {
      for (float& value : row) value = uniform(random) < 0.3f ? 4 * uniform(random) : 0.0f;
      values.add_cell(row.data());
      groups.types.push_back(static_cast<int32_t>(random() % types));
      if (batches > 0) groups.batches.push_back(static_cast<int32_t>(random() % batches));
    }
    distances.assign(types * types, 0);
    for (int i = 0; i < types; ++i)
      for (int j = 0; j < i; ++j)
        distances[i * types + j] = distances[j * types + i] = 0.1 + 3 * uniform(random);
  }
  canal::CellularTrainer trainer(const canal::Weights& weights,
                                 const canal::CellularOptions& options) const {
    return canal::CellularTrainer(weights, distances, groups, options);
  }
  SparseValues values;
  int kinds;
  canal::CellGroups groups;
  std::vector<double> distances;
};

}  // namespace canal_test
