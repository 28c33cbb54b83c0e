"""Readers of raw formats that no library reads safely, or in bounded memory."""
