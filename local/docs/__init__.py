"""Documents that are generated: `lumigate docs build` writes them, `lumigate docs check` tells a drift."""
