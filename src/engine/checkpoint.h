// Checkpoints of the published Python programs, read and written. Nothing in a pickle is ever
// executed.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/array.h"
#include "engine/cell_file.h"

namespace canal {

struct Checkpoint {
  Weights weights;                       // float32, whatever the file holds
  std::vector<std::string> annotation;   // names of the types, empty where absent
  std::vector<int64_t> variable_genes0;  // places of the chosen genes in the vocabulary, likewise

  // What only canalR writes; all may be absent.
  std::vector<std::string> genes;       // of the sequence, in order
  std::vector<std::string> vocabulary;  // all that could have been chosen
  std::vector<std::pair<std::string, double>> settings;
  std::string preset;     // where the settings came from
  std::string positions;  // "fixed" or "learned"
  int64_t epoch = 0;      // written, not read

  // CANAL's example bank, where it is an AnnData that can be read: log2-normalised values, cells x
  // genes, columns of cells. Else why not; both are empty where the file has no such thing.
  std::optional<AnnData> bank;
  std::string bank_problem;

  std::vector<std::string> skipped;  // what the file also holds and canalR does not know
};

// A `.pth` of scBERT, CANAL, TransAnno-Net or canalR, zip or legacy form, or a `.safetensors`; the
// content decides which, not the name. Throws Error(file).
Checkpoint read_checkpoint(const std::string& path);

// A file that torch.load() reads: a dict with `model_state_dict`, and what else the checkpoint has.
// The file is written whole or not at all. Throws Error(file).
void write_torch_checkpoint(const std::string& path, const Checkpoint& checkpoint);

// The same as `.safetensors`, all but the weights in its metadata.
void write_safetensors(const std::string& path, const Checkpoint& checkpoint);

// A numeric `.npy` table (rows x columns), any float or integer type and memory order.
FloatArray read_npy(const std::string& path);

struct WordVectors {
  std::vector<std::string> words;
  FloatArray table;  // words x width
};

// word2vec's text form, with or without its header line of counts.
WordVectors read_word2vec(const std::string& path);

}  // namespace canal
