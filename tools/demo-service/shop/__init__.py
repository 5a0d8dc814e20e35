# SPDX-License-Identifier: BSD-2-Clause
"""The shop of the demo."""
