// The encoder's parameters and what they compute. Letters as in engine/cellular.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "engine/cellular.h"
#include "engine/cellular/linear.h"
#include "engine/nn/parameters.h"

namespace canal {

struct EncoderParameters {
  at::Tensor norm_in, norm_in_bias;  // G
  at::Tensor linear1, linear1_bias;  // H1 x G, H1; input_major(), as first_layer.h reads it
  at::Tensor norm1, norm1_bias;      // H1
  at::Tensor linear2, linear2_bias;  // H2 x H1, H2
  at::Tensor norm2, norm2_bias;      // H2
  at::Tensor output, output_bias;    // L x H2, L
};

// Calls visit(name, tensor, shape) for every parameter.
template <class Params, class Visit>
void visit_encoder(Params& p, const EncoderWidths& w, Visit&& visit) {
  const std::string prefix = "output_encoder.";
  visit(prefix + "norm_layer_in.weight", p.norm_in, Shape{w.genes});
  visit(prefix + "norm_layer_in.bias", p.norm_in_bias, Shape{w.genes});
  visit(prefix + "linear1.weight", p.linear1, Shape{w.first, w.genes});
  visit(prefix + "linear1.bias", p.linear1_bias, Shape{w.first});
  visit(prefix + "norm_layer1.weight", p.norm1, Shape{w.first});
  visit(prefix + "norm_layer1.bias", p.norm1_bias, Shape{w.first});
  visit(prefix + "linear2.weight", p.linear2, Shape{w.second, w.first});
  visit(prefix + "linear2.bias", p.linear2_bias, Shape{w.second});
  visit(prefix + "norm_layer2.weight", p.norm2, Shape{w.second});
  visit(prefix + "norm_layer2.bias", p.norm2_bias, Shape{w.second});
  visit(prefix + "output.weight", p.output, Shape{w.latent, w.second});
  visit(prefix + "output.bias", p.output_bias, Shape{w.latent});
}

// Throws ErrorKind::sizes where a weight is missing.
EncoderWidths encoder_widths(const Weights& weights);

// Copies; throws ErrorKind::sizes for a missing weight or one of another shape.
EncoderParameters to_encoder(const Weights& weights, const EncoderWidths& widths);

// The first two steps, LN(x) and Linear(G, H1), by LibTorch's operators. x: B x G. Returns B x H1.
at::Tensor enter_encoder(const EncoderParameters& p, const at::Tensor& x);

// The rest. first: B x H1. kept: B x H1, what dropout multiplies by; undefined for none. Returns
// B x L.
at::Tensor leave_encoder(const EncoderParameters& p, const at::Tensor& first,
                         const at::Tensor& kept, const Linear& linear = linear_by_operator());

}  // namespace canal
