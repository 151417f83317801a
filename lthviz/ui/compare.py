"""Compare."""
import streamlit as st


def asked():
    return []


def show(names):
    st.title("Compare")
