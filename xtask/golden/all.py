"""Makes every fixture and golden file that these scripts can make."""

import interventions
import paths
import sites
import tiny

for script in (tiny, sites, interventions, paths):
    script.main()
