// What of LAPACK is called. Matrices lie by columns; letters are given with their lengths, as
// Fortran compilers want them.
#pragma once
#include <cstddef>

extern "C" {

// Reduces so many columns of a symmetric matrix to those of a tridiagonal one; `w` is what the
// columns after them are still owed.
void dlatrd_(const char* triangle, const int* n, const int* columns, double* a, const int* lda,
             double* e, double* tau, double* w, const int* ldw, size_t);

// The same for all columns, one by one.
void dsytd2_(const char* triangle, const int* n, double* a, const int* lda, double* d, double* e,
             double* tau, int* info, size_t);

// c := alpha (a b' + b a') + beta c.
void dsyr2k_(const char* triangle, const char* transposed, const int* n, const int* k,
             const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
             const double* beta, double* c, const int* ldc, size_t, size_t);

// Eigenvalues `il` to `iu` (from 1, ascending) of a tridiagonal matrix, and their vectors.
void dstemr_(const char* job, const char* range, const int* n, double* d, double* e,
             const double* vl, const double* vu, const int* il, const int* iu, int* found,
             double* values, double* vectors, const int* ldz, const int* most, int* support,
             int* relative, double* work, const int* lwork, int* iwork, const int* liwork,
             int* info, size_t, size_t);

// Multiplies by the reflections that made a matrix tridiagonal.
void dormtr_(const char* side, const char* triangle, const char* transposed, const int* m,
             const int* n, const double* a, const int* lda, const double* tau, double* c,
             const int* ldc, double* work, const int* lwork, int* info, size_t, size_t, size_t);
}
