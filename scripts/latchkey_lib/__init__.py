# SPDX-License-Identifier: Apache-2.0
"""The modules behind the command `latchkey`: one per subcommand, and what they share."""
