// What all training has in common: how weights move, and the state that a stopped run goes on from.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/array.h"
#include "engine/compute.h"
#include "engine/team.h"

namespace canal {

struct DescentOptions {
  int64_t batch_size;        // cells of a mini-batch, whose loss is a mean
  int64_t accumulation = 1;  // mini-batches per step of the optimiser
  double clip_norm = 0;      // the gradients of a step are scaled down to this length; 0: never
  bool amsgrad = true;
  double weight_decay;
  int64_t redraw_interval;  // mini-batches between two draws of the features; 0: never
  bool batch_stabiliser;    // one key stabiliser for a mini-batch, as the published training has it
  uint64_t seed;
  int num_threads;
  Compute compute;
  // Workers that share every step's cells among them; null: this process has all. They must be
  // given the same weights, cells, order of calls and options.
  std::shared_ptr<Team> team;
};

// Everything that changes while a network is trained. A trainer that is given the state of another
// one, of the same weights' shapes and options, goes on as that one would have.
struct TrainingState {
  Weights weights, best;
  // Adam's, by the name of the weight: of the gradient, of its square, and the largest of the
  // latter (amsgrad; else empty).
  Weights first_moments, second_moments, largest_moments;
  int64_t steps = 0;
  int64_t passes_since_redraw = 0;
  std::vector<uint8_t> generator;
};

}  // namespace canal
