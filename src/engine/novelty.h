// The novelty score of CANAL (METHODS section 5).
#pragma once
#include <cstdint>
#include <vector>

#include "engine/array.h"
#include "engine/network.h"

namespace canal {

struct MixingDraws {
  std::vector<int32_t> partner;  // per cell, counted from 0
  FloatArray weight;             // cells x fc1, U(0,1)
};

MixingDraws draw_mixing(int64_t cells, int64_t width, uint64_t seed);

struct Novelty {
  std::vector<double> energy;         // -T log sum exp(logits / T)
  std::vector<double> energy_scaled;  // to 0..1 over the query; 0.5 where all are equal
  std::vector<double> confidence;     // largest softmax
  std::vector<double> score;          // (energy_scaled + 1 - confidence) / 2
  std::vector<double> energy_mixed;
  std::vector<double> confidence_mixed;
  FloatArray mixed_logits;  // cells x K
  double threshold;
};

// logits: cells x K; manifold: cells x fc1.
Novelty novelty(const Network& network, const FloatArray& logits, const FloatArray& manifold,
                const MixingDraws& draws, double temperature);

}  // namespace canal
