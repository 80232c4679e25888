// The encoder and the temperature of its loss as they learn.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/cellular.h"
#include "engine/cellular/encoder.h"
#include "engine/cellular/sparse_batch.h"
#include "engine/kernels/kernel.h"
#include "engine/train/learner.h"

namespace canal {

class TrainedEncoder : public Learner {
 public:
  TrainedEncoder(const Weights& weights, const CellularOptions& options);

  const EncoderWidths& widths() const { return widths_; }
  const at::Tensor& temperature() const { return temperature_; }  // a scalar
  const Tier* tier() const { return tier_; }  // null: LibTorch's operators alone

  // Without gradients and dropout. Returns B x L.
  at::Tensor embed(const SparseCells& values, const std::vector<int64_t>& cells) const;

  // A scalar from the mini-batch's embedding, B x L, and temperature(); recorded for gradients.
  using LossOf = std::function<at::Tensor(const at::Tensor& z)>;
  // kept: B x H1, as draw_kept() draws it. What it returns may be overwritten by the next call.
  GradientList gradients(const SparseCells& values, const std::vector<int64_t>& cells,
                         const at::Tensor& kept, const LossOf& loss);

  Weights weights() const override;
  void set_weights(const Weights& weights) override;
  // As the published program does before each use; the gradient is that of the bound itself.
  void after_step() override { bound_temperature(); }

 private:
  void bound_temperature();
  GradientList gradients_by_operators(const at::Tensor& x, const at::Tensor& kept,
                                      const LossOf& loss) const;

  EncoderWidths widths_;
  EncoderParameters parameters_;
  at::Tensor temperature_;
  double least_, most_;
  const Tier* tier_;
  at::Tensor first_layer_room_;  // G x H1, a step's gradient; undefined without a tier
};

}  // namespace canal
