// CELLULAR (METHODS section 7): an encoder that brings cells of a type together, and a classifier
// on what it makes of them. R owns the epochs and the rates; this owns mini-batches and tensors.
//
// Letters in every shape: B cells of a mini-batch, G genes, H1 and H2 widths of the encoder's
// hidden layers, L latent width, C1 and C2 widths of the classifier's hidden layers, K cell types.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/array.h"
#include "engine/control.h"
#include "engine/descent.h"
#include "engine/prepare.h"

namespace canal {

// ---- The encoder --------------------------------------------------------------------------------

// The first principal axes of cells: genes x count, by columns, the axis along which the cells vary
// most first; signs are as they come. values: those of the encoder. The same on any number of
// threads. Throws where a value is not finite, or there are not so many genes.
std::vector<double> principal_axes(const SparseCells& values, int64_t count, int num_threads,
                                   const Control& control);

struct EncoderWidths {
  int64_t genes;   // G
  int64_t first;   // H1
  int64_t second;  // H2
  int64_t latent;  // L
};

// Untrained, by their published names: PyTorch's start of linear layers, norms that change nothing,
// and the temperature of the loss ("temperature_target").
Weights start_encoder(const EncoderWidths& widths, double temperature, uint64_t seed);

struct CellularOptions : DescentOptions {
  // Of the losses. Without batches, those of the neighbours by type get the weight of both.
  double snn_weight, batch_weight, centroid_weight;
  double temperature;                          // where the weights have none yet
  double least_temperature, most_temperature;  // what is learned of it stays within
  double batch_temperature;
  double dropout;  // share of the first hidden layer that a step sets to 0
};

// What cells are trained towards.
struct CellGroups {
  std::vector<int32_t> types;    // 0-based, one per cell
  std::vector<int32_t> batches;  // 0-based, one per cell; empty where there are none
};

// Sums over mini-batches of a loss that is itself a mean, so `snn / with_snn` is what programs
// report. A loss that finds no pair of cells in a mini-batch is left out there.
struct CellularSums {
  double snn = 0, batch = 0, centroid = 0, total = 0;
  int64_t with_snn = 0, with_batch = 0, with_centroid = 0;  // mini-batches that had the loss
  int64_t steps = 0;  // mini-batches that `total` is a sum over
  // Mini-batches without a step: no cell has both another of its type and one of another type.
  int64_t skipped = 0;
};

class CellularTrainer {
 public:
  // distances: K x K, those of the types' centroids in the principal components; 0 or NaN where a
  // pair has none. `training` are the cells of all calls of train(): their numbers weigh types and
  // batches.
  CellularTrainer(const Weights& weights, const std::vector<double>& distances,
                  const CellGroups& training, const CellularOptions& options);
  ~CellularTrainer();

  // Steps over the mini-batches of `order`, numbers of training cells; empty: all of them in random
  // order. values: the log-normalised values of the training cells.
  CellularSums train(const SparseCells& values, const std::vector<int64_t>& order,
                     double learning_rate, Control& control);
  // Mini-batches in the given order, without dropout.
  CellularSums validate(const SparseCells& values, const CellGroups& groups,
                        Control& control) const;

  Weights weights() const;
  // Of the first mini-batch in the given order, with the dropout that train() would draw next; by
  // published name, changes nothing.
  Weights gradients(const SparseCells& values);

  void keep_best();
  Weights best_weights() const;
  TrainingState state() const;
  void restore(const TrainingState& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class CellularEncoder {
 public:
  explicit CellularEncoder(const Weights& weights);
  ~CellularEncoder();

  EncoderWidths widths() const;
  // cells x L. A cell's numbers depend neither on the other cells nor on the number of threads;
  // without kernels for this CPU they do by rounding.
  FloatArray embed(const SparseCells& values, int num_threads, Control& control) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---- The classifier -----------------------------------------------------------------------------

struct ClassifierWidths {
  int64_t latent;  // L
  int64_t first;   // C1
  int64_t second;  // C2
  int64_t types;   // K
};

Weights start_classifier(const ClassifierWidths& widths, uint64_t seed);

struct ClassifierOptions : DescentOptions {
  double dropout;  // share of the first hidden layer that a step sets to 0
  // Of the logits; else of their softmax, as the published program has it.
  bool plain_cross_entropy;
};

// Means over the cells.
struct ClassifierEpoch {
  double loss;
  double accuracy;  // of the predictions that the steps were made from
};

struct ClassifierValidation {
  double loss;
  std::vector<int32_t> predicted;  // 0-based type per cell
};

class ClassifierTrainer {
 public:
  // embedding: cells x L. types: 0-based, one per cell. Copies both.
  ClassifierTrainer(const Weights& weights, const FloatArray& embedding,
                    const std::vector<int32_t>& types, const ClassifierOptions& options);
  ~ClassifierTrainer();

  // Steps over the mini-batches of `order`, numbers of training cells; empty: all of them in random
  // order. Norms over one cell would be 0, so a last cell that is alone joins the cells before it.
  ClassifierEpoch train(const std::vector<int64_t>& order, double learning_rate, Control& control);
  // With the running means and variances.
  ClassifierValidation validate(const FloatArray& embedding, const std::vector<int32_t>& types,
                                Control& control) const;

  // Running means and variances included.
  Weights weights() const;
  // As CellularTrainer::gradients().
  Weights gradients();

  void keep_best();
  Weights best_weights() const;
  TrainingState state() const;
  void restore(const TrainingState& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class CellularClassifier {
 public:
  explicit CellularClassifier(const Weights& weights);
  ~CellularClassifier();

  ClassifierWidths widths() const;
  // embedding: cells x L. Returns cells x K. A cell's numbers depend neither on the other cells nor
  // on the number of threads.
  FloatArray probabilities(const FloatArray& embedding, int num_threads, Control& control) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canal
