# Cell Ranger's matrices in HDF5 (`filtered_feature_bc_matrix.h5`): the same as its folders, which
# cells-10x.R reads. Version 2 has a matrix per genome, version 3 one.

# file: what cell_file() returns.
cells_in_10x_file <- function(file, assay.type) { # nolint: object_name_linter.
  header <- cell_header(file, assay.type)
  slots <- about_cells(cpp_read_cells(file$path, header$layer, 1, length(header$cells)),
                       file$argument)
  cells_result(header_counts(slots, header), NULL,
               features_table(header$ids, header$genes, header$types))
}

# The name of the matrix that `assay.type` means: "counts", or the genome's where there are several.
genome_of <- function(file, assay.type) { # nolint: object_name_linter.
  check_assay_type(assay.type)
  genomes <- file$matrices
  if (assay.type %in% genomes) return(assay.type)
  if (length(genomes) > 1) {
    canal_abort("assay", "assay.type", "the name of one of the genomes in the file",
                sprintf("\"%s\", and they are %s", assay.type, paste(genomes, collapse = ", ")),
                sprintf("Cells of one are read with assay.type = \"%s\".", genomes[1]))
  }
  if (assay.type != "counts") abort_assay(assay.type, c("counts", genomes), "a matrix")
  genomes
}

# The names of the cells. Genomes may have cells of their own.
barcodes_in_file <- function(file) {
  read <- function(genome) cpp_cell_header(file$path, genome)$cells
  cells <- unique(about_cells(lapply(file$matrices, read), file$argument))
  if (length(cells) == 1) return(cells[[1]])
  canal_abort("assay", file$argument, "a file whose genomes have the same cells",
              sprintf("others for each of %s", paste(file$matrices, collapse = ", ")),
              sprintf("Give what canal_read_10x(assay.type = \"%s\") returns.", file$matrices[1]))
}
