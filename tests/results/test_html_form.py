"""The HTML form of a table: what Snakemake's report and the study's page show."""

import pandas as pd

from nasperf360.tables import forms
from nasperf360.tables.forms import SIMULATED, Bold, Table


def test_a_table_as_a_page_of_its_own(tmp_path):
    block = pd.DataFrame({"Task": ["<b> & co"], "Method": ["WRN"], "Error ↓": [Bold("1.0 ± 0.1")]})
    table = Table("performance", block, "A <caption>.", [block], notes=["‡ failed & gone"], simulated=True)
    forms.write(table, [tmp_path / "performance.html"])
    text = (tmp_path / "performance.html").read_text()
    assert "<td>&lt;b&gt; &amp; co</td><td>WRN</td>" in text
    assert '<td class="number"><strong>1.0 ± 0.1</strong></td>' in text
    assert "A &lt;caption&gt;." in text
    assert "<li>‡ failed &amp; gone</li>" in text
    assert text.index(SIMULATED) < text.index("<table>")
    assert "http" not in text
    assert SIMULATED not in forms.to_html(Table("performance", block, "Caption.", [block]))
