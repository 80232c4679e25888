// What trained weights make of cells, by blocks of them, each on one thread.
#include <ATen/ops/softmax.h>

#include <algorithm>

#include "engine/cellular/classifier.h"
#include "engine/cellular/encoder.h"
#include "engine/cellular/first_layer.h"
#include "engine/cellular/sparse_batch.h"
#include "engine/errors.h"
#include "engine/kernels/choose.h"
#include "engine/nn/batch.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/runtime/thread_scope.h"

namespace canal {

namespace {

constexpr int64_t cells_in_block = 256;

// compute(first, count) returns count x width for those cells. Returns cells x width.
template <class Compute>
FloatArray in_blocks(int64_t cells, int64_t width, Control& control, const Compute& compute) {
  FloatArray result{{cells, width}, std::vector<float>(cells * width)};
  control.total = cells;
  const int64_t blocks = (cells + cells_in_block - 1) / cells_in_block;
  for_each_cell(blocks, Gradients::off, [&](int64_t block) {
    control.check();
    const int64_t first = block * cells_in_block;
    const int64_t count = std::min(cells_in_block, cells - first);
    const at::Tensor done = compute(first, count).contiguous();
    std::copy(done.data_ptr<float>(), done.data_ptr<float>() + count * width,
              result.values.begin() + first * width);
    control.done += count;
  });
  return result;
}

}  // namespace

struct CellularEncoder::Impl {
  explicit Impl(const Weights& weights)
      : widths(encoder_widths(weights)),
        parameters(to_encoder(weights, widths)),
        tier(choose_tier({})),
        linear(linear_by_cell(tier)) {
    for (at::Tensor* weight : {&parameters.linear2, &parameters.output})
      *weight = input_major(*weight);
  }
  EncoderWidths widths;
  EncoderParameters parameters;
  const Tier* tier;  // null: LibTorch's operators
  Linear linear;
};

CellularEncoder::CellularEncoder(const Weights& weights) : impl_(new Impl(weights)) {}
CellularEncoder::~CellularEncoder() = default;
EncoderWidths CellularEncoder::widths() const { return impl_->widths; }

FloatArray CellularEncoder::embed(const SparseCells& values, int num_threads,
                                  Control& control) const {
  const Impl& self = *impl_;
  if (values.genes != self.widths.genes)
    throw Error(ErrorKind::sizes, "Expected " + std::to_string(self.widths.genes) + " genes, got " +
                                      std::to_string(values.genes) + ".");
  const ThreadScope threads(num_threads);
  return in_blocks(values.cells, self.widths.latent, control, [&](int64_t first, int64_t count) {
    const std::vector<int64_t> cells = cell_range(first, count, values.cells);
    const at::Tensor entered =
        self.tier == nullptr
            ? enter_encoder(self.parameters, dense_batch(values, cells))
            : enter_sparse(self.parameters, sparse_batch(values, cells), *self.tier);
    return leave_encoder(self.parameters, entered, {}, self.linear);
  });
}

struct CellularClassifier::Impl {
  explicit Impl(const Weights& weights)
      : widths(classifier_widths(weights)),
        parameters(to_classifier(weights, widths)),
        linear(linear_by_cell(choose_tier({}))) {
    for (at::Tensor* weight : {&parameters.linear1, &parameters.linear2, &parameters.output})
      *weight = input_major(*weight);
  }
  ClassifierWidths widths;
  ClassifierParameters parameters;
  Linear linear;
};

CellularClassifier::CellularClassifier(const Weights& weights) : impl_(new Impl(weights)) {}
CellularClassifier::~CellularClassifier() = default;
ClassifierWidths CellularClassifier::widths() const { return impl_->widths; }

FloatArray CellularClassifier::probabilities(const FloatArray& embedding, int num_threads,
                                             Control& control) const {
  const Impl& self = *impl_;
  const int64_t latent = self.widths.latent;
  if (embedding.shape.size() != 2 || embedding.shape[1] != latent)
    throw Error(ErrorKind::sizes, "The embedding: expected cells x " + std::to_string(latent) +
                                      ", got " + shape_text(embedding.shape) + ".");
  const ThreadScope threads(num_threads);
  return in_blocks(
      embedding.shape[0], self.widths.types, control, [&](int64_t first, int64_t count) {
        const auto from = embedding.values.begin() + first * latent;
        const at::Tensor z =
            to_tensor({{count, latent}, std::vector<float>(from, from + count * latent)});
        return at::softmax(classify_cells(self.parameters, z, self.linear), 1);
      });
}

}  // namespace canal
