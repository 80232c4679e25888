// The classifier's parameters and what they compute. Letters as in engine/cellular.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "engine/cellular.h"
#include "engine/cellular/linear.h"
#include "engine/nn/parameters.h"

namespace canal {

struct BatchNorm {
  at::Tensor weight, bias, running_mean, running_var;  // all of the layer's width
};

struct ClassifierParameters {
  BatchNorm norm_in;                 // L
  at::Tensor linear1, linear1_bias;  // C1 x L, C1
  BatchNorm norm1;                   // C1
  at::Tensor linear2, linear2_bias;  // C2 x C1, C2
  BatchNorm norm2;                   // C2
  at::Tensor output, output_bias;    // K x C2, K
};

template <class Norm, class Visit>
void visit_batch_norm(Norm& norm, const std::string& prefix, int64_t width, Visit&& visit) {
  visit(prefix + ".weight", norm.weight, Shape{width});
  visit(prefix + ".bias", norm.bias, Shape{width});
  visit(prefix + ".running_mean", norm.running_mean, Shape{width});
  visit(prefix + ".running_var", norm.running_var, Shape{width});
}

// Calls visit(name, tensor, shape) for every parameter and every running mean and variance.
template <class Params, class Visit>
void visit_classifier(Params& p, const ClassifierWidths& w, Visit&& visit) {
  const std::string prefix = "classifier.";
  visit_batch_norm(p.norm_in, prefix + "norm_layer_in", w.latent, visit);
  visit(prefix + "linear1.weight", p.linear1, Shape{w.first, w.latent});
  visit(prefix + "linear1.bias", p.linear1_bias, Shape{w.first});
  visit_batch_norm(p.norm1, prefix + "norm_layer1", w.first, visit);
  visit(prefix + "linear2.weight", p.linear2, Shape{w.second, w.first});
  visit(prefix + "linear2.bias", p.linear2_bias, Shape{w.second});
  visit_batch_norm(p.norm2, prefix + "norm_layer2", w.second, visit);
  visit(prefix + "output.weight", p.output, Shape{w.types, w.second});
  visit(prefix + "output.bias", p.output_bias, Shape{w.types});
}

// Kept beside what learns: no gradient goes there.
bool is_running_statistic(const std::string& name);

// Both throw ErrorKind::sizes for a missing weight or one of another shape.
ClassifierWidths classifier_widths(const Weights& weights);
ClassifierParameters to_classifier(const Weights& weights, const ClassifierWidths& widths);

// With the running means and variances. z: B x L. Returns logits, B x K.
at::Tensor classify_cells(const ClassifierParameters& p, const at::Tensor& z,
                          const Linear& linear = linear_by_operator());

// With the mini-batch's own, which move the running ones. kept: B x C1, what dropout multiplies by;
// undefined for none. Returns logits, B x K.
at::Tensor classify_in_training(const ClassifierParameters& p, const at::Tensor& z,
                                const at::Tensor& kept);

}  // namespace canal
