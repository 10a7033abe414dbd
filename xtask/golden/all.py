"""Makes every fixture and golden file that these scripts can make."""

import chat_templates
import families
import interventions
import paths
import quantised
import sites
import tiny

for script in (tiny, families, quantised, chat_templates, sites, interventions, paths):
    script.main()
